# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the first bytes of a disk image say, read without opening any other file.

qemu-img follows what a header names: an external data file is opened by ``qemu-img info`` already. So a foreign header
is read here first. The layout of qcow2 is that of QEMU's ``docs/interop/qcow2.txt``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEAD_LENGTH = 128 * 1024
"""Bytes of a file that :func:`parse_header` wants to see: header, extensions and backing file name of any qcow2 that
qemu-img made stand in the first cluster, and raw file systems are known by what stands in the first 68 KiB."""

_QCOW_MAGIC = b"QFI\xfb"
_EXTERNAL_DATA_FILE = 1 << 2
_EXTENSION_END = 0
_EXTENSION_DATA_FILE = 0x44415441
_NAME_LIMIT = 1023
"""The longest backing file name that QEMU reads."""

_MAGIC = {
    b"KDMV": "vmdk",
    b"COWD": "vmdk",
    b"conectix": "vpc",
    b"vhdxfile": "vhdx",
    b"QED\0": "qed",
}
_RAW_SIGNATURES = (
    (510, b"\x55\xaa"),  # MBR, and the protective one of GPT
    (512, b"EFI PART"),
    (4096, b"EFI PART"),
    (1080, b"\x53\xef"),  # ext2 to ext4
    (0, b"XFSB"),
    (0x10040, b"_BHRfS_M"),  # btrfs
    (0, b"hsqs"),  # squashfs
    (0x8001, b"CD001"),  # ISO 9660
    (512, b"LABELONE"),  # LVM
)


@dataclass(frozen=True)
class Header:
    """``format`` is QEMU's name of it, or ``""`` where nothing says that this is a disk image at all."""

    format: str
    backing_file: str | None = None
    data_file: str | None = None
    extent_files: bool = False
    """A VMDK whose data stands in other files."""


class DamagedHeaderError(ValueError):
    """A header that contradicts itself, or that ends too early."""


def parse_header(head: bytes, tail: bytes = b"") -> Header:
    """What ``head``, the first :data:`HEAD_LENGTH` bytes of a file, and ``tail``, its last 512, say.

    Raises DamagedHeaderError.
    """
    if head.startswith(_QCOW_MAGIC):
        return _parse_qcow(head)
    if head.lstrip().startswith(b"# Disk DescriptorFile"):
        return Header("vmdk", extent_files=True)
    if head.startswith(b"KDMV") and head[12:20] == bytes(8):
        # No capacity: QEMU takes the embedded text for the descriptor, and that may name any file.
        return Header("vmdk", extent_files=True)
    if head[64:68] == b"\x7f\x10\xda\xbe":
        return Header("vdi")
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return Header(name)
    if tail.startswith(b"conectix"):
        return Header("vpc")  # a fixed VHD: the footer is all that it has
    if any(head[offset : offset + len(magic)] == magic for offset, magic in _RAW_SIGNATURES):
        return Header("raw")
    return Header("")


def _parse_qcow(head: bytes) -> Header:
    if len(head) < 72:
        raise DamagedHeaderError("the qcow2 header ends too early")
    version, backing_offset, backing_length, cluster_bits = struct.unpack_from(">IQII", head, 4)
    if version == 1:
        backing_offset, backing_length = struct.unpack_from(">QI", head, 8)
        return Header("qcow", backing_file=_text(head, backing_offset, backing_length))
    if version not in (2, 3):
        raise DamagedHeaderError(f"version {version} of qcow2 does not exist")
    if not 9 <= cluster_bits <= 21:
        raise DamagedHeaderError(f"a qcow2 has no clusters of 2^{cluster_bits} bytes")
    features, length = 0, 72
    if version == 3:
        if len(head) < 104:
            raise DamagedHeaderError("the qcow2 header ends too early")
        features = struct.unpack_from(">Q", head, 72)[0]
        length = struct.unpack_from(">I", head, 100)[0]
        if length < 104 or length % 8:
            raise DamagedHeaderError(f"a qcow2 header is not {length} bytes long")
    data_file = None
    if features & _EXTERNAL_DATA_FILE:
        data_file = _extension(head, length, _EXTENSION_DATA_FILE) or "(a file that the header does not name)"
    return Header("qcow2", backing_file=_text(head, backing_offset, backing_length), data_file=data_file)


def _text(head: bytes, offset: int, length: int) -> str | None:
    if not offset:
        return None
    if length > _NAME_LIMIT or offset + length > len(head):
        raise DamagedHeaderError("the name of the backing file does not stand where the qcow2 header says")
    return head[offset : offset + length].decode("utf-8", "backslashreplace")


def _extension(head: bytes, offset: int, wanted: int) -> str | None:
    while offset + 8 <= len(head):
        kind, length = struct.unpack_from(">II", head, offset)
        if kind == _EXTENSION_END:
            break
        if kind == wanted:
            return head[offset + 8 : offset + 8 + length].decode("utf-8", "backslashreplace")
        offset += 8 + (length + 7) // 8 * 8
    return None
