# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From steps to the file that ``virt-customize --commands-from-file`` reads, and the files that it names.

Such a file has one operation a line, no quoting, and ``:`` between a source and a destination. So nothing of the
user's that could be misread stands in it: contents, scripts and paths lie in numbered files, and places inside the
image are reached by scripts that quote them. The names are relative to the staging directory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..recipe.operations import (
    Operation,
    Run,
    StepOperations,
    Upload,
    Write,
)
from . import guest_scripts as guest

BEGIN = "begin"
"""Name of the first script, beside the commands file."""


@dataclass(frozen=True)
class Commands:
    """Everything for one launch."""

    lines: tuple[str, ...]
    """The commands file, line by line."""
    files: Mapping[str, str]
    """Content by path below the staging directory; all are private."""
    uploads: Mapping[str, str]
    """File of the host by the path below the staging directory at which a link to it is wanted."""
    steps: Mapping[str, StepOperations]
    """The step by the number of each of its scripts."""


def render(steps: Iterable[StepOperations], magic: str, *, grow: bool, network: bool) -> Commands:
    """What carries out ``steps`` in one launch.

    ``magic``: the first line of the report disk; ``grow``: the disk is larger than the base's; ``network``: the
    appliance has one. Raises BadRequestError for a value that cannot be written down.
    """
    renderer = _Renderer()
    for step in steps:
        for operation in step.operations:
            renderer.add(step, operation)
    files = {
        BEGIN: guest.begin_script(magic, grow=grow),
        "staged/run": guest.run_script(network=network),
        "staged/end": guest.end_script(),
        **renderer.files,
    }
    lines = (
        f"run {BEGIN}",
        f"copy-in staged:{guest.RAM}",
        *renderer.lines,
        f"run-command sh {guest.STAGED}/end",
    )
    return Commands(lines, files, renderer.uploads, renderer.steps)


class _Renderer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.files: dict[str, str] = {}
        self.uploads: dict[str, str] = {}
        self.steps: dict[str, StepOperations] = {}

    def add(self, step: StepOperations, operation: Operation) -> None:
        if isinstance(operation, Run):
            self._run(step, operation)
        elif isinstance(operation, Write):
            number = self._next(step)
            self.files[f"staged/contents/{number}"] = operation.content
            self._place(step, f"{guest.STAGED}/contents/{number}", operation)
        else:
            number = self._script(step, guest.require_directory(operation.dest))
            self.uploads[f"uploads/{number}"] = operation.source
            self.lines.append(f"upload uploads/{number}:{guest.UPLOADS}/{number}")
            self._place(step, f"{guest.UPLOADS}/{number}", operation)

    def _run(self, step: StepOperations, operation: Run) -> None:
        number = f"{len(self.steps) + 1:04}"
        directory = f"{guest.STAGED}/files/{number}"
        links = []
        for name, text in operation.contents.items():
            self.files[f"staged/files/{number}/{name}"] = text
        for position, (name, source) in enumerate(operation.files.items()):
            upload = f"{number}.{position}"
            self.uploads[f"uploads/{upload}"] = source
            self.lines.append(f"upload uploads/{upload}:{guest.UPLOADS}/{upload}")
            links.append(f"mkdir -p {directory}\nln -s {guest.UPLOADS}/{upload} {directory}/{name}\n")
        self._script(step, _with_files(directory, links, operation), operation.timeout)

    def _next(self, step: StepOperations) -> str:
        number = f"{len(self.steps) + 1:04}"
        self.steps[number] = step
        return number

    def _script(self, step: StepOperations, text: str, timeout: int | None = None) -> str:
        number = self._next(step)
        self.files[f"staged/scripts/{number}"] = text if text.endswith("\n") else text + "\n"
        limit = f" {timeout}" if timeout is not None else ""
        self.lines.append(f"run-command sh {guest.STAGED}/run {number}{limit}")
        return number

    def _place(self, step: StepOperations, source: str, operation: Upload | Write) -> None:
        place = guest.place_file(source, operation.dest, operation.mode, operation.owner, operation.group)
        self._script(step, guest.require_directory(operation.dest) + place)


def _with_files(directory: str, links: list[str], operation: Run) -> str:
    if not operation.files and not operation.contents:
        return operation.script
    return f"export FILES={directory}\n{''.join(links)}{operation.script}"
