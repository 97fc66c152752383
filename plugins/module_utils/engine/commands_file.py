# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From steps to the file that ``virt-customize --commands-from-file`` reads, and the files that it names.

Such a file has one operation a line, no quoting, and ``:`` between a source and a destination. So nothing of the
user's that could be misread stands in it: contents, scripts and paths lie in numbered files, and places inside the
image are reached by scripts that quote them. The names are relative to the staging directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..common.errors import BadRequestError
from ..recipe.operations import (
    Operation,
    Run,
    SetHostname,
    SetTimezone,
    StepOperations,
    Upload,
    Write,
)
from . import guest_scripts as guest

BEGIN = "begin"
"""Name of the first script, beside the commands file."""
_ONE_WORD = re.compile(r"[^\s:\\\x00-\x1f\x7f]+")


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
            self._script(step, operation.script, operation.timeout)
        elif isinstance(operation, Write):
            number = self._next(step)
            self.files[f"staged/contents/{number}"] = operation.content
            self._place(step, f"{guest.STAGED}/contents/{number}", operation)
        elif isinstance(operation, Upload):
            number = self._script(step, guest.require_directory(operation.dest))
            self.uploads[f"uploads/{number}"] = operation.source
            self.lines.append(f"upload uploads/{number}:{guest.UPLOADS}/{number}")
            self._place(step, f"{guest.UPLOADS}/{number}", operation)
        elif isinstance(operation, SetHostname):
            self._script(step, ":")
            self.lines.append(f"hostname {_one_word(step, 'host name', operation.hostname)}")
        elif isinstance(operation, SetTimezone):
            timezone = _one_word(step, "time zone", operation.timezone)
            self._script(step, guest.require_timezone(timezone))
            self.lines.append(f"timezone {timezone}")
        else:
            user = _one_word(step, "user name", operation.user)
            number = self._script(step, guest.require_user(user))
            self.files[f"keys/{number}"] = operation.key.rstrip("\n") + "\n"
            self.lines.append(f"ssh-inject {user}:file:keys/{number}")

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


def _one_word(step: StepOperations, what: str, value: str) -> str:
    if _ONE_WORD.fullmatch(value) and not value.startswith(("-", "#")):
        return value
    raise BadRequestError(f"step {step.label}: {value!r} is not a {what}", "Write it without blanks and colons")
