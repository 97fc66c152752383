# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How full a file system is, as its superblock says. Pure.

Layouts: Linux' fs/ext4/ext4.h, fs/xfs/libxfs/xfs_format.h, include/uapi/linux/btrfs_tree.h, and Microsoft's FAT32 File
System Specification.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

HEAD = 0x11000
"""Bytes of the beginning of a file system that :func:`usage_of` wants to see."""

_EXT_MAGIC = b"\x53\xef"
_EXT_CLEAN = 1
_EXT_NEEDS_RECOVERY = 0x4
_EXT_64BIT = 0x80
_FAT_SECTOR_SIZES = (512, 1024, 2048, 4096)
_UNKNOWN = 0xFFFFFFFF


@dataclass(frozen=True)
class Usage:
    """Bytes. ``used`` counts what the file system takes for itself, ``free`` what is kept for root."""

    size: int
    used: int
    free: int
    clean: bool | None = None
    """Whether it was unmounted as it should be; None where its superblock does not tell."""


def usage_of(kind: str, head: bytes) -> Usage | None:
    """Of a file system of this kind, blkid's word for it, that begins with ``head``; None where it is not known."""
    read = _READERS.get(kind)
    try:
        return read(head) if read else None
    except struct.error:
        return None


def _ext(head: bytes) -> Usage | None:
    block = head[1024:2048]
    if block[0x38:0x3A] != _EXT_MAGIC:
        return None
    (blocks,) = struct.unpack_from("<I", block, 0x04)
    (free,) = struct.unpack_from("<I", block, 0x0C)
    (log_size,) = struct.unpack_from("<I", block, 0x18)
    (state,) = struct.unpack_from("<H", block, 0x3A)
    (incompatible,) = struct.unpack_from("<I", block, 0x60)
    if incompatible & _EXT_64BIT:
        blocks += struct.unpack_from("<I", block, 0x150)[0] << 32
        free += struct.unpack_from("<I", block, 0x158)[0] << 32
    clean = bool(state & _EXT_CLEAN) and not incompatible & _EXT_NEEDS_RECOVERY
    return _usage(blocks, free, 1024 << log_size, clean) if log_size <= 6 else None


def _xfs(head: bytes) -> Usage | None:
    block_size, blocks = struct.unpack_from(">IQ", head, 4)
    (free,) = struct.unpack_from(">Q", head, 144)
    return _usage(blocks, free, block_size) if head.startswith(b"XFSB") else None


def _btrfs(head: bytes) -> Usage | None:
    if head[0x10040:0x10048] != b"_BHRfS_M":
        return None
    size, used = struct.unpack_from("<QQ", head, 0x10070)
    return _usage(size, size - used, 1)


def _fat(head: bytes) -> Usage | None:
    """FAT32 counts its free clusters; older kinds do not."""
    sector, per_cluster, reserved, fats = struct.unpack_from("<HBHB", head, 11)
    (sectors,) = struct.unpack_from("<I", head, 32)
    (fat_sectors,) = struct.unpack_from("<I", head, 36)
    (info_sector,) = struct.unpack_from("<H", head, 48)
    if sector not in _FAT_SECTOR_SIZES or not per_cluster or head[82:87] != b"FAT32":
        return None
    info = head[info_sector * sector :][:512]
    if info[:4] != b"RRaA" or info[484:488] != b"rrAa":
        return None
    (free,) = struct.unpack_from("<I", info, 488)
    clusters = (sectors - reserved - fats * fat_sectors) // per_cluster
    return _usage(clusters, free, per_cluster * sector) if free != _UNKNOWN else None


def _usage(blocks: int, free: int, block_size: int, clean: bool | None = None) -> Usage | None:
    """None where the numbers contradict each other."""
    if free < 0 or free > blocks:
        return None
    return Usage(blocks * block_size, (blocks - free) * block_size, free * block_size, clean)


_READERS: dict[str, Callable[[bytes], Usage | None]] = {
    "ext2": _ext,
    "ext3": _ext,
    "ext4": _ext,
    "xfs": _xfs,
    "btrfs": _btrfs,
    "vfat": _fat,
}
