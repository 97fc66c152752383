# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an image is encrypted: libguestfs then only says that there is no operating system."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from ..common.host import Host
from ..disk import qemu_img

_SECTOR = 512
_LUKS = b"LUKS\xba\xbe"
_TABLE = 64
"""Sectors in which partition tables lie: 34 for a GPT, 1 for an MBR."""


def is_encrypted(host: Host, disk: str, disk_format: str, workdir: str) -> bool:
    """Whether a disk, or a partition of it, is encrypted with LUKS."""
    image = (
        f"file.driver={disk_format},file.file.driver=file,file.file.filename={os.path.abspath(disk).replace(',', ',,')}"
    )
    table = _read(host, image, workdir, 0, _TABLE)
    return any(_read(host, image, workdir, start, 1).startswith(_LUKS) for start in (0, *partition_starts(table)))


def partition_starts(table: bytes) -> Iterator[int]:
    """The first sectors of the partitions that an MBR or a GPT in these bytes has."""
    if table[_SECTOR : _SECTOR + 8] == b"EFI PART":
        for at in range(2 * _SECTOR, len(table) - 127, 128):
            if any(table[at : at + 16]):
                yield struct.unpack_from("<Q", table, at + 32)[0]
    elif table[510:512] == b"\x55\xaa":
        for at in range(446, 510, 16):
            if table[at + 4]:
                yield struct.unpack_from("<I", table, at + 8)[0]


def _read(host: Host, image: str, workdir: str, start: int, count: int) -> bytes:
    path = os.path.join(workdir, "sectors")
    source = f"driver=raw,offset={start * _SECTOR},size={count * _SECTOR},{image}"
    done = host.run([host.require("qemu-img", qemu_img.PACKAGE), "convert", "--image-opts", "-O", "raw", source, path])
    if done.rc != 0:
        return b""
    with open(path, "rb") as file:
        content = file.read()
    os.unlink(path)
    return content
