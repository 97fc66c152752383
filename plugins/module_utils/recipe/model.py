# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recipe is made of."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .condition import Condition
from .operations import Operation, StepOperations

Options = Mapping[str, t.Any]

FILE = "file"
"""A file as it is, found as ansible.builtin.copy finds it."""
TEMPLATE = "template"
"""A file that is rendered on the controller, found as ansible.builtin.template finds it."""
TREE = "tree"
"""A file or a directory with all that is in it: what arrives is a tar archive of it."""


def _as_given(options: Options) -> Options:
    return options


def _nothing(_options: Options) -> tuple[Operation, ...]:
    return ()


def _anywhere(_step: Step, _others: Sequence[Step]) -> None:
    pass


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
    finish: Callable[[Options], tuple[Operation, ...]] = _nothing
    """What follows after all steps of the recipe, the last step's first: it ends what was for the build only."""
    check: Callable[[Options], Options] = _as_given
    """Return valid options in their one canonical spelling. Raises BadRequestError, which need not name the step."""
    last: bool = False
    """Whether it has to be the last step. It is carried out behind what the others have to finish."""
    check_recipe: Callable[[Step, Sequence[Step]], None] = _anywhere
    """Raises BadRequestError, which names the place, where the step contradicts those before it."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Options that name a file, or a list of them, by what is made of it: :data:`FILE`, :data:`TEMPLATE`, :data:`TREE`.

    They are on the controller, or on the target where the step's option ``remote_src`` is true. An option ``secret``
    that is true makes their content a secret.
    """
    example: str = ""
    """YAML of a list of steps, for the page of steps. All names of files in it are the reader's own."""
    rules: Mapping[str, t.Any] = field(default_factory=dict)
    """``mutually_exclusive``, ``required_one_of`` and their like, as in Ansible's argument spec."""

    @property
    def argument_spec(self) -> dict[str, t.Any]:
        """The options as Ansible's argument spec."""
        return undocumented(self.options)

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

    name: str = ""
    """What the user calls it."""
    condition: Condition | None = None
    """For which bases it is meant; None: for all."""
    timeout: int | None = None
    """Seconds for the whole step."""

    @property
    def label(self) -> str:
        """What logs and errors call it: ``3 (packages)``, or ``3 (packages: Install the agents)``."""
        return f"{self.index} ({self.kind.name}: {self.name})" if self.name else f"{self.index} ({self.kind.name})"

    @property
    def remote(self) -> bool:
        """Whether the step's files are on the target, not on the controller."""
        return bool(self.options.get("remote_src"))

    def files(self) -> Iterator[tuple[str, str]]:
        """Place and value of each file that the step names; the place is ``src``, or ``src.0`` in a list."""
        for option in sorted(self.kind.files):
            value = self.options.get(option)
            if isinstance(value, (list, tuple)):
                yield from ((f"{option}.{number}", element) for number, element in enumerate(value))
            elif value is not None:
                yield option, value

    def file_kind(self, place: str) -> str:
        """:data:`FILE`, :data:`TEMPLATE` or :data:`TREE`."""
        return self.kind.files[place.partition(".")[0]]

    def payload_key(self, place: str) -> str:
        """What controller and target call the file of a place between them: ``2.upload.src``."""
        return f"{self.index}.{self.kind.name}.{place}"

    def has_secrets(self) -> bool:
        return any(option in self.options for option in self.kind.secrets) or self.has_secret_files()

    def has_secret_files(self) -> bool:
        return bool(self.kind.files) and self.options.get("secret") is True

    def secrets(self) -> frozenset[str]:
        """Every text that is a secret."""
        return frozenset(text for option in self.kind.secrets for text in _texts(self.options.get(option)))

    def operations(self, paths: Mapping[str, str]) -> StepOperations:
        """The step as engines see it; ``paths`` has the path on the host of each file, by place."""
        return self._operations(self.kind.render, paths)

    def finishing(self, paths: Mapping[str, str]) -> StepOperations:
        """What the step has to do when all steps are done; often nothing."""
        return self._operations(self.kind.finish, paths)

    def _operations(
        self, render: Callable[[Options], tuple[Operation, ...]], paths: Mapping[str, str]
    ) -> StepOperations:
        rendered = render(with_files(self.kind, self.options, paths))
        return StepOperations(self.index, self.kind.name, self.label, rendered, self.timeout, self.secrets())


def all_operations(steps: Sequence[Step], paths: Mapping[int, Mapping[str, str]]) -> list[StepOperations]:
    """What a recipe comes down to; ``paths`` has those of each step, by its index."""
    before = [step.operations(paths[step.index]) for step in steps if not step.kind.last]
    finishing = [step.finishing(paths[step.index]) for step in reversed(steps)]
    last = [step.operations(paths[step.index]) for step in steps if step.kind.last]
    return [*before, *(step for step in finishing if step.operations), *last]


def undocumented(options: Mapping[str, Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """Ansible's argument spec of documented options, which may have options of their own."""
    specs = {}
    for name, spec in options.items():
        specs[name] = {key: value for key, value in spec.items() if key != "description"}
        if "options" in spec:
            specs[name]["options"] = undocumented(spec["options"])
    return specs


def with_files(kind: StepKind, options: Options, values: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The options with the value of each place in the place of the file that the user named."""
    filled = dict(options)
    for option in kind.files:
        given = options.get(option)
        if isinstance(given, (list, tuple)):
            filled[option] = [values[f"{option}.{number}"] for number in range(len(given))]
        elif given is not None:
            filled[option] = values[option]
    return filled


def _texts(value: t.Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for element in value:
            yield from _texts(element)
    elif value not in (None, ""):
        yield str(value)
