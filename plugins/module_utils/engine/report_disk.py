# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second disk of a build, on which the scripts inside the image tell the host what they found and did.

It begins with two lines: the magic that the host wrote, and the number of the operation that runs at the moment. They
are right also after the appliance was killed. At the end the report follows, as ``tail -v`` prints files: each has a
line with its name before it. The directory of those files has a name that no program of the image can know.
"""

from __future__ import annotations

import re
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from .guest_texts import RAM

LIMIT = 512 * 1024
"""Bytes of the end of each file that go into the report."""
CUT = "[what came before was left out]\n"

_SPACE_FOR_THE_REST = 8 * LIMIT
_BLOCK = 1024 * 1024
_PAGE = 4096
_SWAP = b"SWAPSPACE2"


@dataclass(frozen=True)
class ReportDisk:
    """One build's report disk."""

    key: str
    operations: int
    """How many operations may say something."""
    limit: int = LIMIT

    @classmethod
    def of(cls, operations: int) -> ReportDisk:
        return cls(secrets.token_hex(16), operations)

    @property
    def magic(self) -> str:
        return f"goldsmith report {self.key}"

    @property
    def directory(self) -> str:
        """Where the scripts in the image put what belongs into the report."""
        return f"{RAM}/out.{self.key}"

    @property
    def size(self) -> int:
        """Bytes. The odd sector makes it a size that no other disk has."""
        return _SPACE_FOR_THE_REST + self.operations * self.limit + 512

    def create(self, path: str) -> None:
        """Make an empty report disk. The file is sparse."""
        with open(path, "wb") as file:
            file.write(f"{self.magic}\n".encode())
            # libguestfs does not try to mount a swap disk when it looks for an operating system.
            file.seek(1024)
            file.write(struct.pack("<II", 1, self.size // _PAGE - 1))
            file.seek(_PAGE - len(_SWAP))
            file.write(_SWAP)
            file.truncate(self.size)

    def read(self, path: str) -> RawReport:
        """What stands on the report disk, most of which is empty."""
        block = max(_BLOCK, 2 * self.limit)
        content = bytearray()
        with open(path, "rb") as file:
            while True:
                read = file.read(block)
                # No file of a report is as long as a block: what is empty lies behind the report.
                if not read.strip(b"\0"):
                    break
                searched = max(0, len(content) - len(self._end))
                content += read
                if content.find(self._end, searched) >= 0:
                    break
        return self.parse(bytes(content))

    @property
    def _end(self) -> bytes:
        return f"\n{self.magic} end\n".encode()

    def parse(self, content: bytes) -> RawReport:
        """What the content of the report disk says. Whatever the image wrote, this raises nothing."""
        first, dummy, rest = content.partition(b"\n")
        running, dummy, rest = rest.partition(b"\n")
        if first != self.magic.encode() or not re.fullmatch(rb"[a-z0-9]{1,16}", running):
            return RawReport("")
        report, end, dummy = rest.partition(self._end)
        name = rb"(?:\A|\n)==> " + re.escape(self.directory.encode()) + rb"/([A-Za-z0-9._-]{1,64}) <==\n"
        # Text before the first name, then name and text by turns.
        parts = re.split(name, report) if end else [b""]
        frames = {_text(key): self._whole_lines(text) for key, text in zip(parts[1::2], parts[2::2])}
        return RawReport(_text(running), bool(end), frames)

    def _whole_lines(self, text: bytes) -> str:
        """Without the line that the limit cut, half of which may be half a secret."""
        return _text(text) if len(text) < self.limit else CUT + _text(text.partition(b"\n")[2])


@dataclass(frozen=True)
class RawReport:
    """What stands on the report disk. Texts are what the image says: nothing of it may be trusted."""

    running: str
    """Number of the operation that was begun last; ``begin``, ``prepare``, ``end``, or ``""`` when nothing ran."""
    complete: bool = False
    """Whether the report was written to its end."""
    frames: Mapping[str, str] = field(default_factory=dict)
    """Text by file name."""

    @property
    def failed(self) -> Failed | None:
        """The operation that failed."""
        words = self.frames.get("failed", "").split()
        if len(words) < 2:
            return None
        known = len(words) == 4 and all(re.fullmatch("[0-9]{1,15}", word) for word in words[2:])
        return Failed(words[0], words[1], int(words[2]) * int(words[3]) if known else None)

    def log(self, number: str) -> str:
        """The end of what an operation printed."""
        return self.frames.get(f"log.{number}", "")

    def warnings(self) -> list[tuple[str, str]]:
        """The number of an operation, ``grow`` or ``""``, and what happened there."""
        lines = (line.partition(" ") for line in self.frames.get("warnings", "").splitlines())
        return [(number, text) for number, dummy, text in lines]

    def times(self) -> list[tuple[str, float]]:
        """What was begun, in order, and the seconds since the appliance's boot."""
        found = re.finditer(r"^(\S+) ([0-9]+\.[0-9]+)$", self.frames.get("times", ""), re.MULTILINE)
        return [(match[1], float(match[2])) for match in found]


@dataclass(frozen=True)
class Failed:
    """An operation that failed."""

    number: str
    status: str
    """Exit status; ``timeout`` when its time was over."""
    free: int | None = None
    """Free bytes of the image's root file system afterwards."""


def parse_packages(text: str) -> dict[str, str]:
    """Version by package of lines ``STATUS|PACKAGE|ARCHITECTURE|VERSION``, of what is installed.

    Packages of another architecture than dpkg's own are called ``PACKAGE:ARCHITECTURE``, as apt calls them.
    """
    found = [words for words in (line.split("|") for line in text.splitlines()) if len(words) == 4]
    native = {architecture for dummy, name, architecture, dummy in found if name == "dpkg"} | {"all"}
    return {
        name if architecture in native else f"{name}:{architecture}": version
        for status, name, architecture, version in found
        if status[1:2] == "i"
    }


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
