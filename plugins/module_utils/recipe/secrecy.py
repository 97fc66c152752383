# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether secrets of a recipe can be kept: long enough to be masked, and written nowhere else."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ..common.errors import BadRequestError
from .model import Step

_SHORTEST = 4


def require_secrecy(steps: Sequence[Step]) -> None:
    """Raise BadRequestError, which shows no value, where a secret is too short or stands in a plain option as well."""
    for step in steps:
        for option in sorted(step.kind.secrets & set(step.options)):
            # An empty one, as of a variable that is not always set, is masked nowhere.
            if any(text and len(text.strip()) < _SHORTEST for text in _texts(step.options[option])):
                raise BadRequestError(
                    f"{_place(step, f'{step.kind.name}.{option}')} has a secret shorter than {_SHORTEST} characters, "
                    "and masking it would make all output unreadable",
                    "Choose a longer one, or give it as a plain option if it is no secret",
                )
    secrets = {text.strip() for step in steps for text in step.secrets()}
    for step in steps:
        for option, text in _plain_texts(step):
            if any(secret in text for secret in secrets):
                raise BadRequestError(
                    f"{_place(step, option)} repeats a secret of the recipe, and would stand in the build record",
                    "Refer to it by the environment variable of the option secrets, or use the option of the step that "
                    "is meant for secrets; if it is there by chance, choose another secret",
                )


def _place(step: Step, option: str) -> str:
    return f"steps[{step.index - 1}].{option} (step {step.index})"


def _plain_texts(step: Step) -> Iterator[tuple[str, str]]:
    """Place and text of all that the record shows as the user wrote it."""
    if step.name:
        yield "name", step.name
    for option, value in step.options.items():
        spec = step.kind.options[option]
        # Neither a choice nor a default is the user's own text.
        own = "choices" not in spec and value != spec.get("default")
        if own and option not in step.kind.secrets and option not in step.kind.files:
            yield from ((f"{step.kind.name}.{option}", text) for text in _texts(value, keys=True))


def _texts(value: t.Any, *, keys: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = [*(value if keys else ()), *value.values()]
    if isinstance(value, (list, tuple)):
        for element in value:
            yield from _texts(element, keys=keys)
    elif isinstance(value, str):
        yield value
