# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partitions of a disk, and what is in each."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..common.errors import CommandError
from ..common.host import Host
from .usage import HEAD, Usage, usage_of

_SFDISK = ("sfdisk", "fdisk")
_BLKID = ("blkid", "util-linux")
_NOTHING_FOUND = 2
_AMBIVALENT = 8
_KINDS = {
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "linux",
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "root",
    "b921b045-1df0-41c3-af44-4c6f280d3fae": "root",
    "69dad710-2ce4-4e3c-b16c-21a1d49abed3": "root",
    "bc13c2ff-59e6-4262-a352-b275fd6f7172": "boot",
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "efi",
    "21686148-6449-6e6f-744e-656564454649": "bios-boot",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "swap",
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "lvm",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "windows",
    "83": "linux",
    "82": "swap",
    "8e": "lvm",
    "ef": "efi",
    "7": "windows",
}
"""Of GPT's type GUIDs, as the Discoverable Partitions Specification has them, and of the MBR's type bytes."""


@dataclass(frozen=True)
class FileSystem:
    """What blkid finds in a partition: a file system, or what takes a file system's place."""

    type: str
    """blkid's word: ``ext4``, ``vfat``, ``swap``, ``LVM2_member``, ``crypto_LUKS``, …"""
    label: str | None = None
    uuid: str | None = None
    usage: Usage | None = None
    """None where its superblock does not say, or is of a kind that is not read here."""


@dataclass(frozen=True)
class Partition:
    """One partition; ``start`` and ``size`` are bytes. A disk without a partition table is one of number None."""

    number: int | None
    start: int
    size: int
    type: str = ""
    """The type's GUID in small letters, or the MBR's type byte in hexadecimal."""
    kind: str = ""
    """What the type means: ``root``, ``boot``, ``efi``, ``bios-boot``, ``linux``, ``swap``, …; empty if not known."""
    name: str | None = None
    """GPT's name of the partition."""
    uuid: str | None = None
    bootable: bool = False
    file_system: FileSystem | None = None

    @property
    def described(self) -> str:
        """For a sentence."""
        return "the disk" if self.number is None else f"partition {self.number}"


@dataclass(frozen=True)
class Table:
    """The partitions in the order on the disk; ``label`` is ``gpt``, ``dos``, or None where there is no table."""

    label: str | None
    partitions: tuple[Partition, ...]


def read_partitions(host: Host, path: str, size: int) -> Table:
    """The partitions of the raw disk at ``path``, ``size`` bytes large. Raises CommandError."""
    found = _probe(host, path, 0, size)
    if "PTTYPE" in found:
        argv = [host.require(*_SFDISK), "--json", path]
        done = host.run(argv)
        if done.rc != 0:
            said = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
            raise CommandError(
                f"the partition table cannot be read: {said.replace('sfdisk: ', '', 1)}",
                "The image may be damaged: see what `sfdisk --verify` says of a raw copy",
            )
        table = parse_table(done.stdout)
        parts = tuple(replace(part, file_system=_file_system(host, path, part)) for part in table.partitions)
        return replace(table, partitions=parts)
    whole = Partition(None, 0, size)
    return Table(None, (replace(whole, file_system=_file_system(host, path, whole)),))


def parse_table(text: str) -> Table:
    """What ``sfdisk --json`` prints of a disk."""
    table: dict[str, t.Any] = json.loads(text)["partitiontable"]
    sector = int(table.get("sectorsize", 512))
    parts = []
    for part in table.get("partitions", ()):
        number = re.search("([0-9]+)$", part["node"])
        kind = str(part["type"]).lower()
        parts.append(
            Partition(
                number=int(number[1]) if number else None,
                start=int(part["start"]) * sector,
                size=int(part["size"]) * sector,
                type=kind,
                kind=_KINDS.get(kind, ""),
                name=part.get("name"),
                uuid=part["uuid"].lower() if "uuid" in part else None,
                bootable=bool(part.get("bootable", False)),
            )
        )
    return Table(str(table["label"]), tuple(sorted(parts, key=lambda part: part.start)))


def _file_system(host: Host, path: str, part: Partition) -> FileSystem | None:
    found = _probe(host, path, part.start, part.size)
    kind = found.get("TYPE")
    if not kind:
        return None
    with open(path, "rb") as file:
        file.seek(part.start)
        head = file.read(HEAD)
    return FileSystem(kind, found.get("LABEL"), found.get("UUID"), usage_of(kind, head))


def _probe(host: Host, path: str, offset: int, size: int) -> Mapping[str, str]:
    done = host.run([host.require(*_BLKID), "-p", "-O", str(offset), "-S", str(size), "-o", "export", path])
    # What looks like two things at once, a boot sector that says FAT and a superblock that says ext4, is neither.
    if done.rc in (_NOTHING_FOUND, _AMBIVALENT):
        return {}
    return parse_export(done.checked().stdout)


def parse_export(text: str) -> dict[str, str]:
    """Value by key of what ``blkid -o export`` prints."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {key: _unescape(value) for key, equals, value in pairs if equals}


def _unescape(text: str) -> str:
    r"""blkid writes ``\xHH`` for a byte that it cannot print, and a backslash before what a shell would not take."""
    raw = re.sub(
        rb"\\(x[0-9a-f]{2}|.)",
        lambda match: bytes([int(match[1][1:], 16)]) if len(match[1]) == 3 else match[1],
        text.encode("utf-8", "surrogateescape"),
    )
    return raw.decode("utf-8", "surrogateescape")
