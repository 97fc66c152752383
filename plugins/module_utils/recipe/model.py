# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recipe is made of."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from .operations import Operation, StepOperations

Options = Mapping[str, t.Any]


def _as_given(options: Options) -> Options:
    return options


@dataclass(frozen=True)
class StepKind:
    """One kind of step: what users may write, what it means, and what it comes down to."""

    name: str
    """The key under which users write it."""
    description: str
    """Paragraphs for the module's documentation, wrapped anyhow. ``O(name)`` is an option of this step."""
    options: Mapping[str, Mapping[str, t.Any]]
    """Ansible's argument spec of each option, and beside it ``description``, as above."""
    render: Callable[[Options], tuple[Operation, ...]]
    """The operations that the step comes down to. Options of ``files`` are paths on the host by then."""
    check: Callable[[Options], Options] = _as_given
    """Return valid options in their one canonical spelling. Raises BadRequestError, which need not name the step."""
    files: frozenset[str] = frozenset()
    """Options that name a file: on the controller, or on the target where the step's option ``remote_src`` is true."""
    rules: Mapping[str, t.Any] = field(default_factory=dict)
    """``mutually_exclusive``, ``required_one_of`` and their like, as in Ansible's argument spec."""

    @property
    def argument_spec(self) -> dict[str, t.Any]:
        """The options as Ansible's argument spec."""
        return {
            name: {key: value for key, value in spec.items() if key != "description"}
            for name, spec in self.options.items()
        }

    @property
    def secrets(self) -> frozenset[str]:
        """Options whose values no record, log or diff may show."""
        return frozenset(name for name, spec in self.options.items() if spec.get("no_log"))


@dataclass(frozen=True)
class Step:
    """One step of a recipe, checked."""

    index: int
    """From 1, as users count."""
    kind: StepKind
    options: Options
    """Canonical values, defaults filled in; an option that was not given and has no default is not there."""

    @property
    def label(self) -> str:
        """What logs and errors call it: ``3 (packages)``."""
        return f"{self.index} ({self.kind.name})"

    @property
    def remote(self) -> bool:
        """Whether the step's files are on the target, not on the controller."""
        return bool(self.options.get("remote_src"))

    def files(self) -> Iterator[tuple[str, str]]:
        """Option and value of each file that the step names."""
        for option in sorted(self.kind.files):
            if option in self.options:
                yield option, self.options[option]

    def payload_key(self, option: str) -> str:
        """What controller and target call the file of an option between them: ``2.upload.src``."""
        return f"{self.index}.{self.kind.name}.{option}"

    def has_secrets(self) -> bool:
        return any(option in self.options for option in self.kind.secrets)

    def operations(self, paths: Mapping[str, str]) -> StepOperations:
        """The step as engines see it; ``paths`` has the path on the host of each file, by option."""
        return StepOperations(self.index, self.kind.name, self.label, self.kind.render({**self.options, **paths}))
