# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file has the bytes at a place of the disk."""

from __future__ import annotations

import os
import posixpath
import re
import struct
from collections.abc import Mapping, Sequence

from ..common.host import Host
from .guest import READABLE, Guest
from .partitions import Partition

_PROGRAM = ("debugfs", "e2fsprogs")
_SUPERBLOCK = 1024
_LOG_BLOCK_SIZE = 24
"""Where the superblock has the binary logarithm of the block size, less ten."""
_BLOCK = re.compile(r"^([0-9]+)\t([0-9]+)$", re.MULTILINE)
_NAME = re.compile(r"^([0-9]+)\t(/.*)$", re.MULTILINE)
_JOURNAL = 8
_AT_ONCE = 200


def owners(host: Host, guest: Guest, offsets: Sequence[int]) -> dict[int, str]:
    """Path of the file that has the byte at each of these offsets of the disk.

    An offset is left out that is in no file: in a free block, or in no file system that is read.
    """
    found: dict[int, str] = {}
    for point, part in sorted(guest.mounts.items()):
        if part.file_system is not None and part.file_system.type in READABLE:
            inside = sorted({offset for offset in offsets if part.start <= offset < part.start + part.size})
            for some in range(0, len(inside), _AT_ONCE):
                found.update(_owners(host, guest.raw_path, part, point, inside[some : some + _AT_ONCE]))
    return found


def _owners(host: Host, raw: str, part: Partition, point: str, offsets: Sequence[int]) -> dict[int, str]:
    size = _block_size(raw, part)
    blocks = {offset: (offset - part.start) // size for offset in offsets}
    device = f"{raw}?offset={part.start}"
    asked = " ".join(str(block) for block in sorted(set(blocks.values())))
    inodes = {int(block): int(inode) for block, inode in _BLOCK.findall(_debugfs(host, device, f"icheck {asked}"))}
    wanted = sorted({inode for inode in inodes.values() if inode != _JOURNAL})
    names: Mapping[int, str] = {}
    if wanted:
        said = _debugfs(host, device, f"ncheck {' '.join(map(str, wanted))}")
        names = {int(inode): name for inode, name in _NAME.findall(said)}
    found = {offset: inodes[block] for offset, block in blocks.items() if block in inodes}
    return {
        offset: posixpath.join(point, names[inode].lstrip("/")) for offset, inode in found.items() if inode in names
    }


def _debugfs(host: Host, device: str, command: str) -> str:
    """What it answers; it complains of blocks that are nobody's on the way."""
    return host.run([host.require(*_PROGRAM), "-R", command, device]).checked().stdout


def _block_size(raw: str, part: Partition) -> int:
    with open(raw, "rb") as file:
        head = os.pread(file.fileno(), 4, part.start + _SUPERBLOCK + _LOG_BLOCK_SIZE)
    return 1024 << int(struct.unpack("<I", head)[0])
