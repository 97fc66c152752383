# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ext2, ext3 and ext4 in a raw file, read by debugfs.

debugfs is told inode numbers and never names, so that no name of a guest can be taken for a command. What it prints is
read by the byte: names and targets of links end where their delimiter or their length says, whatever is in them.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..common.errors import VerificationError
from ..common.host import Host

ROOT = 2
"""The inode of the top directory (EXT2_ROOT_INO)."""
TYPES = {
    0o01: "fifo",
    0o02: "character",
    0o04: "directory",
    0o06: "block",
    0o10: "file",
    0o12: "link",
    0o14: "socket",
}
"""By the upper four bits of the mode."""

_PROGRAM = ("debugfs", "e2fsprogs")
_AT_ONCE = 2000
"""Commands of one process: what AnsibleModule.run_command has read so far it copies with every piece that comes."""
_LISTED = re.compile(rb"/([0-9]+)/([0-7]+)/(-?[0-9]+)/(-?[0-9]+)/([^/]*)/([0-9]*)/\n")
_INODE = re.compile(
    rb"Inode: [0-9]+ +Type: (?P<type>.*?) +Mode: .*\n"
    rb"(?:.*\n){0,2}?User: +(?P<uid>-?[0-9]+) +Group: +(?P<gid>-?[0-9]+).* Size: (?P<size>[0-9]+)\n"
    rb"(?:.*\n){0,8}? *mtime: 0x(?P<seconds>[0-9a-f]+)(?::(?P<extra>[0-9a-f]+))?.*\n"
)
_TARGET = b'Fast link dest: "'
_OTHER_LINE = re.compile(rb'(?!Fast link dest: "|debugfs: ).*\n')

_T = t.TypeVar("_T")


@dataclass(frozen=True)
class Listed:
    """One name in a directory."""

    name: str
    inode: int
    mode: int
    """With the bits of the type."""
    uid: int
    gid: int

    @property
    def type(self) -> str:
        return TYPES.get(self.mode >> 12, "unknown")


@dataclass(frozen=True)
class Inode:
    """What a directory does not say."""

    size: int
    mtime: int
    """Seconds since 1970."""
    target: bytes | None = None
    """Of a link that is so short that it stands in the inode."""


class Ext:
    """One file system; ``place`` is what to call it in an error, ``path`` the raw file."""

    def __init__(self, host: Host, path: str, offset: int, place: str) -> None:
        self._host = host
        self._device = f"{path}?offset={offset}"
        self.place = place

    def list(self, directories: Iterable[int]) -> dict[int, list[Listed]]:
        """What is in these directories, ``.`` and ``..`` left out."""
        return self._ask("ls -l -p", directories, _parse_listing)

    def inspect(self, inodes: Iterable[int]) -> dict[int, Inode]:
        """Sizes and times of these inodes."""
        return self._ask("stat", inodes, _parse_inode)

    def read(self, sizes: Mapping[int, int]) -> dict[int, bytes]:
        """The content of these inodes of so many bytes."""

        def parse(reader: Reader, inode: int) -> bytes:
            return reader.take(sizes[inode])

        return self._ask("cat", sizes, parse)

    def _ask(self, command: str, inodes: Iterable[int], parse: Callable[[Reader, int], _T]) -> dict[int, _T]:
        answers = {}
        for some in _portions(sorted(set(inodes))):
            commands = [f"{command} <{inode}>" for inode in some]
            argv = [self._host.require(*_PROGRAM), "-f", "-", self._device]
            done = self._host.run(argv, stdin="\n".join(commands) + "\n")
            complaints = [line for line in done.stderr.splitlines() if line and not line.startswith("debugfs 1.")]
            try:
                if complaints:
                    raise UnreadableError(self._shortened(complaints[0]))
                reader = Reader(done.stdout.encode("utf-8", "surrogateescape"))
                for inode, said in zip(some, commands):
                    answers[inode] = _answer(reader, said, inode, parse)
            except UnreadableError as error:
                raise VerificationError(
                    f"the file system on {self.place} is damaged: {error}",
                    "See what `e2fsck -fn` says of a raw copy, and build or fetch the image again",
                ) from error
        return answers

    def _shortened(self, complaint: str) -> str:
        """Without the name of the raw file, which says nothing to whoever knows the image's."""
        for said in (f" while trying to open {self._device}", f"{self._device}: ", "debugfs: "):
            complaint = complaint.replace(said, "")
        return complaint.strip()


class UnreadableError(ValueError):
    """debugfs complains, or prints what it does not print of a sound file system."""


class Reader:
    """Goes through what debugfs printed."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """What ``pattern`` finds right here, which then is read."""
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def take(self, size: int) -> bytes:
        """So many bytes; fewer at the end of all."""
        taken = self._text[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def skip(self, literal: bytes) -> bool:
        """Whether this stands here; if so it is read."""
        found = self._text.startswith(literal, self._at)
        self._at += len(literal) if found else 0
        return found

    def skip_before(self, literal: bytes) -> None:
        """Read up to where this begins, or to the end."""
        found = self._text.find(literal, self._at)
        self._at = len(self._text) if found < 0 else found


def _answer(reader: Reader, command: str, inode: int, parse: Callable[[Reader, int], _T]) -> _T:
    prompt = f"debugfs: {command}\n".encode()
    # Between two answers there may be lines that nobody asked for.
    reader.skip_before(prompt)
    if not reader.skip(prompt):
        raise UnreadableError(f"debugfs did not answer to {command}")
    return parse(reader, inode)


def _parse_listing(reader: Reader, dummy: int) -> list[Listed]:
    found: list[Listed] = []
    while True:
        line = reader.match(_LISTED)
        if line is None:
            return found
        name = line[5].decode("utf-8", "surrogateescape")
        if name not in (".", "..") and int(line[1]):
            found.append(
                Listed(name, int(line[1]), int(line[2], 8), int(line[3]) & 0xFFFFFFFF, int(line[4]) & 0xFFFFFFFF)
            )


def _parse_inode(reader: Reader, inode: int) -> Inode:
    found = reader.match(_INODE)
    if found is None:
        raise UnreadableError(f"inode {inode} is none")
    size, seconds, extra = int(found["size"]), int(found["seconds"], 16), int(found["extra"] or b"0", 16)
    # The second word's lower two bits extend the first, a signed one.
    seconds = seconds - (1 << 32) if seconds & 1 << 31 else seconds
    target = None
    if found["type"] == b"symlink":
        while reader.match(_OTHER_LINE):
            pass
        if reader.skip(_TARGET):
            target = reader.take(size)
    return Inode(size, seconds + ((extra & 3) << 32), target)


def _portions(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(numbers), _AT_ONCE):
        yield numbers[first : first + _AT_ONCE]
