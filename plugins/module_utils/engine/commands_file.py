# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From steps to the file that ``virt-customize --commands-from-file`` reads, and the files that it names.

Such a file has one operation a line, no quoting, and ``:`` between a source and a destination. So nothing of the
user's that could be misread stands in it: it brings in numbered files and runs one script or two, which quote what is
the user's. The names are relative to the directory in which virt-customize is started.

Steps do their work with the image's own programs (owners, archives, keys, packages), so it does not matter which
operations the installed version of virt-customize has beyond :data:`NEEDED_OPTIONS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..recipe.operations import Operation, Run, StepOperations, Upload, Write
from . import guest_scripts as guest
from .guest_texts import RAM
from .report_disk import ReportDisk

BEGIN = "begin"
MAIN = "main"
"""Names of the scripts, beside the commands file."""

NEEDED_OPTIONS = {
    "--run": "1.26",
    "--upload": "1.26",
    "--no-logfile": "1.26",
    "--no-network": "1.26",
    "--commands-from-file": "1.30",
    "--copy-in": "1.30",
    "--keys-from-stdin": "1.40",
}
"""The version of libguestfs or guestfs-tools with which each option came that a build needs."""

_ROOM = 100_000
"""Bytes that ``main`` may have: libguestfs hands it over as one argument, and Linux takes 128 KiB."""
_IN_MEMORY = 16 * 1024**2
"""Bytes of files that scripts bring along that go into memory; what is larger lies on the image's disk meanwhile."""
_INLINE = 16_384
"""Bytes of a file's content that stand in its script; what is longer gets a file of its own."""


@dataclass(frozen=True)
class Commands:
    """Everything for one launch."""

    lines: tuple[str, ...]
    """The commands file, line by line."""
    files: Mapping[str, str]
    """Content by path below virt-customize's directory; all are private."""
    uploads: Mapping[str, str]
    """File of the host by the path below virt-customize's directory at which a link to it is wanted."""
    steps: Mapping[str, StepOperations]
    """The step by the number of each of its operations."""


def count(steps: Iterable[StepOperations]) -> int:
    """How many operations there are."""
    return sum(len(step.operations) for step in steps)


def render(
    steps: Iterable[StepOperations],
    report: ReportDisk,
    *,
    grow: bool,
    network: bool,
    sizes: Mapping[str, int] = MappingProxyType({}),
) -> Commands:
    """What carries out ``steps`` in one launch.

    ``grow``: the disk is larger than the base's; ``network``: the appliance has one; ``sizes``: bytes of each file of
    :func:`files_for_scripts` that there is.
    """
    steps = tuple(steps)
    in_memory = _in_memory(steps, sizes)
    # Every program of the image may read the arguments of every other.
    if not any(step.secrets for step in steps):
        commands = _render(_Renderer(steps, RAM, in_memory), report, grow, network, staged=False)
        if len(commands.files[MAIN].encode("utf-8", "surrogateescape")) <= _ROOM:
            return commands
    return _render(_Renderer(steps, f"{guest.STAGING}/staged", in_memory), report, grow, network, staged=True)


def files_for_scripts(steps: Iterable[StepOperations]) -> list[str]:
    """Files of the host that scripts bring along, as often as they do."""
    operations = [operation for step in steps for operation in step.operations]
    return [source for operation in operations if isinstance(operation, Run) for source in operation.files.values()]


def _in_memory(steps: Iterable[StepOperations], sizes: Mapping[str, int]) -> frozenset[str]:
    """Those of :func:`files_for_scripts` that go into memory, the smallest first."""
    room, chosen = _IN_MEMORY, set()
    times = Counter(source for source in files_for_scripts(steps) if source in sizes)
    for source in sorted(times, key=lambda source: sizes[source]):
        room -= sizes[source] * times[source]
        if room >= 0:
            chosen.add(source)
    return frozenset(chosen)


def _render(parts: _Renderer, report: ReportDisk, grow: bool, network: bool, *, staged: bool) -> Commands:
    private = staged or bool(parts.uploads)
    in_memory = any(target.startswith(guest.STAGING) for target in parts.targets.values())
    main = guest.Main(
        texts="" if staged else "".join(guest.put(f"{RAM}/{name}", text) for name, text in parts.texts.items()),
        calls="".join(parts.calls),
        directories=() if staged else parts.directories(),
        grow=grow and not private,
        network=network,
        private=private,
    )
    lines = [f"run {MAIN}"]
    files = {MAIN: main.script(report)}
    if private:
        uploads = [f"upload {name}:{target}" for name, target in parts.targets.items()]
        lines = [f"run {BEGIN}", *([f"copy-in staged:{guest.STAGING}"] if staged else []), *uploads, *lines]
        files[BEGIN] = guest.begin_script(report, staging=staged or in_memory, grow=grow)
    if staged:
        files.update({f"staged/{name}": text for name, text in parts.texts.items()})
    return Commands(tuple(lines), files, parts.uploads, parts.steps)


class _Renderer:
    def __init__(self, steps: Iterable[StepOperations], place: str, in_memory: frozenset[str]) -> None:
        self.place = place
        """Directory inside the image where :attr:`texts` are to be found."""
        self.in_memory = in_memory
        self.texts: dict[str, str] = {}
        self.calls: list[str] = []
        self.uploads: dict[str, str] = {}
        self.targets: dict[str, str] = {}
        """Path inside the image of each of :attr:`uploads`."""
        self.steps: dict[str, StepOperations] = {}
        for step in steps:
            self.calls.append(guest.step(step.timeout))
            for operation in step.operations:
                self._add(f"{len(self.steps) + 1:04}", step, operation)
            self.calls.append("leave\n")

    def directories(self) -> tuple[str, ...]:
        """The directories of :attr:`texts`, each after the one that it is in."""
        found = {name.rpartition("/")[0] for name in self.texts}
        return tuple(sorted({"/".join(name.split("/")[:depth]) for name in found for depth in range(1, 3)}))

    def _add(self, number: str, step: StepOperations, operation: Operation) -> None:
        self.steps[number] = step
        limit = None
        if isinstance(operation, Run):
            script, limit = self._run(number, operation), operation.timeout
        elif isinstance(operation, Write):
            script = self._write(number, operation)
        else:
            # On the disk, where it stays.
            source = self._upload(number, operation.source, guest.UPLOADS)
            script = guest.place_file(source, *_attributes(operation))
        path = f"scripts/{number}"
        self.texts[path] = script if script.endswith("\n") else script + "\n"
        self.calls.append(guest.operation(number, f"{self.place}/{path}", limit))

    def _run(self, number: str, operation: Run) -> str:
        if not operation.files and not operation.contents:
            return operation.script
        directory = f"files/{number}"
        for name, text in operation.contents.items():
            self.texts[f"{directory}/{name}"] = text
        script = f"export FILES={self.place}/{directory}\n"
        if operation.files and not operation.contents:
            script += 'mkdir -p "$FILES"\n'
        for position, (name, source) in enumerate(operation.files.items()):
            directory = guest.UPLOADS_IN_MEMORY if source in self.in_memory else guest.UPLOADS
            script += f'ln -s {self._upload(f"{number}.{position}", source, directory)} "$FILES/{name}"\n'
        return script + operation.script

    def _write(self, number: str, operation: Write) -> str:
        if len(operation.content) <= _INLINE:
            return guest.write_file(operation.content, *_attributes(operation))
        self.texts[f"contents/{number}"] = operation.content
        return guest.copy_file(f"{self.place}/contents/{number}", *_attributes(operation))

    def _upload(self, name: str, source: str, directory: str) -> str:
        self.uploads[f"uploads/{name}"] = source
        self.targets[f"uploads/{name}"] = f"{directory}/{name}"
        return f"{directory}/{name}"


def _attributes(operation: Upload | Write) -> tuple[str, str, str, str]:
    return operation.dest, operation.mode, operation.owner, operation.group
