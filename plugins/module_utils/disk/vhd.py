# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The footer of a fixed VHD, and what Azure wants of it.

A fixed VHD is the raw disk with 512 bytes behind it (Microsoft's Virtual Hard Disk Image Format Specification 1.0).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

FOOTER_LENGTH = 512
_COOKIE = b"conectix"
_FIXED = 2
_VERSION = 0x00010000
_NO_OFFSET = 2**64 - 1
_CHECKSUM = slice(64, 68)
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Footer:
    """What the footer says."""

    version: int
    data_offset: int
    """Where a dynamic disk's header is; all bits set in a fixed one."""
    original_size: int
    current_size: int
    """Bytes of the disk. Azure reads this, and not the geometry."""
    disk_type: int
    checksum: int
    expected_checksum: int


class NoFooterError(ValueError):
    """The bytes are no footer of a VHD."""


def parse_footer(tail: bytes) -> Footer:
    """What the last :data:`FOOTER_LENGTH` bytes of a VHD say. Raises NoFooterError."""
    if len(tail) != FOOTER_LENGTH or not tail.startswith(_COOKIE):
        raise NoFooterError("the file does not end with the footer of a VHD")
    version, data_offset = struct.unpack_from(">IQ", tail, 12)
    original_size, current_size = struct.unpack_from(">QQ", tail, 40)
    disk_type, checksum = struct.unpack_from(">II", tail, 60)
    return Footer(version, data_offset, original_size, current_size, disk_type, checksum, footer_checksum(tail))


def footer_checksum(footer: bytes) -> int:
    """The ones' complement of the sum of all bytes but those of the checksum itself."""
    return ~(sum(footer) - sum(footer[_CHECKSUM])) & 0xFFFFFFFF


def refusals(footer: Footer, file_size: int) -> list[str]:
    """Why Azure would not take the VHD, as sentences without a full stop; none where it would."""
    found = []
    if footer.checksum != footer.expected_checksum:
        found.append(f"its footer's checksum is {footer.checksum:#x}, and should be {footer.expected_checksum:#x}")
    if footer.disk_type != _FIXED or footer.data_offset != _NO_OFFSET:
        found.append("it is not a fixed VHD")
    if footer.version != _VERSION:
        found.append(f"its footer has version {footer.version:#x}")
    if footer.current_size != footer.original_size:
        found.append(f"its footer states two sizes, {footer.original_size} and {footer.current_size}")
    if footer.current_size % _MIB:
        found.append(f"the size of its disk, {footer.current_size} bytes, is no multiple of 1 MiB")
    if footer.current_size + FOOTER_LENGTH != file_size:
        found.append(f"its footer states a disk of {footer.current_size} bytes, and the file has {file_size}")
    return found
