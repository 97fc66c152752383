# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second disk of a build, on which the scripts inside the image tell the host what they found and did.

The first sector holds two lines, the magic that the host wrote and the number of the script that runs at the moment:
it is right also after the appliance was killed. The report follows from :data:`~.guest_scripts.BLOCK` on, frame by
frame: a line ``NAME LENGTH``, then LENGTH bytes; the frame ``end 0`` is the last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .guest_scripts import BLOCK, LOG_LIMIT

_SPACE_FOR_THE_REST = 4 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9/._-]{1,64}")


@dataclass(frozen=True)
class RawReport:
    """What stands on the report disk. Texts are what the image says: nothing of it may be trusted."""

    running: str
    """Number of the script that was begun last; ``begin``, ``end``, or ``""`` when nothing ran."""
    complete: bool = False
    """Whether the report was written to its end."""
    frames: Mapping[str, str] = field(default_factory=dict)
    """Text by frame name."""

    @property
    def failed(self) -> tuple[str, str] | None:
        """Number and exit status (``timeout`` when its time was over) of the script that failed."""
        words = self.frames.get("failed", "").split()
        return (words[0], words[1]) if len(words) == 2 else None

    def log(self, number: str) -> str:
        """The end of what the script printed."""
        return self.frames.get(f"log/{number}", "")

    def logs(self) -> dict[str, str]:
        """What each script printed, by number, in order."""
        return {name[len("log/") :]: text for name, text in self.frames.items() if name.startswith("log/")}


def create(path: str, magic: str, scripts: int) -> None:
    """Make an empty report disk, with room for the output of so many scripts. The file is sparse."""
    with open(path, "wb") as file:
        file.write(f"{magic}\n".encode())
        file.truncate(_SPACE_FOR_THE_REST + scripts * LOG_LIMIT)


def read(path: str, magic: str) -> RawReport:
    """What stands on the report disk."""
    with open(path, "rb") as file:
        content = file.read()
    return parse(content, magic)


def parse(content: bytes, magic: str) -> RawReport:
    """What the content of the report disk says. Whatever the image wrote, this raises nothing."""
    first = _text(content[:512].rstrip(b"\0")).split("\n")
    if first[0] != magic or len(first) < 2:
        return RawReport("")
    running = first[1]
    frames: dict[str, str] = {}
    at = BLOCK
    while True:
        end = content.find(b"\n", at, at + 100)
        name, dummy, length = _text(content[at:end]).partition(" ") if end >= 0 else ("", "", "")
        if not _NAME.fullmatch(name) or not re.fullmatch("[0-9]{1,10}", length):
            return RawReport(running, False, frames)
        at = end + 1 + int(length)
        if name == "end":
            return RawReport(running, True, frames)
        if at > len(content):
            return RawReport(running, False, frames)
        frames[name] = _text(content[end + 1 : at])


def parse_packages(text: str) -> dict[str, str]:
    """Version by package of a list ``PACKAGE ARCHITECTURE VERSION``, the line ``native ARCHITECTURE -`` before all.

    Packages of another architecture than the native one are called ``PACKAGE:ARCHITECTURE``, as apt calls them.
    """
    found = {}
    native = ""
    for line in text.splitlines():
        words = line.split(" ")
        if len(words) != 3:
            continue
        name, architecture, version = words
        if not native and name == "native" and version == "-":
            native = architecture
            continue
        found[name if architecture in (native, "all") else f"{name}:{architecture}"] = version
    return found


def parse_os_release(text: str) -> dict[str, str]:
    """Value by key of an ``os-release`` file, unquoted as os-release(5) says."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if not equals or not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", key):
            continue
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[key] = re.sub(r"\\(.)", r"\1", value)
    return found


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
