# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recipe leaves in an image on purpose, for the audit."""

from __future__ import annotations

import posixpath
import typing as t
from collections.abc import Iterator, Sequence

from ..audit.model import Allowance, Expected, Secret
from ..recipe.model import Step
from ..recipe.steps import generalise

_HASHED = ("password", "password_hash")
"""Options of users' passwords: the image gets a hash."""
_IN_IMAGE = ("password_hash", "secret_content")
"""Options whose value is meant to be in the image: a hash, and what needs ``in_image``."""
_DEST = ("upload", "write", "template")
"""Steps whose ``dest`` is a file that the user wants there."""
_PATH = ("append_line", "line_in_file")
"""The same of ``path``."""


def expected_of(steps: Sequence[Step], allow: Sequence[Allowance] = ()) -> Expected:
    """What the image of these steps, whose conditions hold, is meant to be."""
    last = next((step for step in steps if step.kind.name == generalise.NAME), None)
    return Expected(
        generalised=last is not None,
        kept=frozenset() if last is None else frozenset(last.options["keep"]),
        passwords=frozenset(_account(step) for step in steps if any(option in step.options for option in _HASHED)),
        authorized_keys=_authorized_keys(steps),
        files=tuple(sorted(set(_files(steps)))),
        secrets=tuple(_secrets(steps)),
        allow=tuple(allow),
    )


def _account(step: Step) -> str:
    return str(step.options.get("user") or step.options.get("name"))


def _authorized_keys(steps: Sequence[Step]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for step in steps:
        if step.kind.name == "user":
            found.setdefault(step.options["name"], set()).update(step.options["authorized_keys"])
        elif step.kind.name == "ssh_inject":
            found.setdefault(step.options["user"], set()).add(step.options["key"])
    return {user: frozenset(keys) for user, keys in found.items()}


def _files(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        if step.kind.name in _DEST:
            yield _literally(step.options["dest"])
        elif step.kind.name in _PATH:
            yield _literally(step.options["path"])
        elif step.kind.name == "copy_in":
            place = _literally(
                posixpath.join(step.options["dest"], posixpath.basename(step.options["src"].rstrip("/")))
            )
            yield from (place, f"{place}/*")


def _literally(path: str) -> str:
    """A path as a pattern that matches it alone."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


def _secrets(steps: Sequence[Step]) -> Iterator[Secret]:
    """The secrets that must not be in the image: not those that are, as a whole or in part, in what is declared."""
    declared = [text for step in steps for option, dummy, text in _values(step) if _is_declared(step, option)]
    told: set[str] = set()
    for step in steps:
        for option, key, text in _values(step):
            if _is_declared(step, option) or text in told or any(text.strip() in other for other in declared):
                continue
            told.add(text)
            yield Secret(f"{'.'.join(filter(None, (option, key)))} of step {step.label}", text)


def _is_declared(step: Step, option: str) -> bool:
    return option in _IN_IMAGE or bool(step.options.get("in_image"))


def _values(step: Step) -> Iterator[tuple[str, str, str]]:
    """Option, key in it, and text of each secret."""
    for option in sorted(step.kind.secrets & set(step.options)):
        value: t.Any = step.options[option]
        if isinstance(value, dict):
            yield from ((option, str(key), str(text)) for key, text in sorted(value.items()) if str(text).strip())
        elif str(value).strip():
            yield option, "", str(value)
