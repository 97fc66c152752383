# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BIOS or UEFI: what an image can be booted by, and where the host has OVMF."""

from __future__ import annotations

import os
import shutil
import struct
import uuid

from ..common.errors import BadRequestError, StoreError
from ..common.host import Host
from ..disk.qemu_img import PACKAGE as QEMU_IMG_PACKAGE
from .qemu import Uefi

PACKAGE = "ovmf"
SECTOR = 512
HEAD_SECTORS = 34
"""Boot sector, GPT header, and as many entries as every partitioning tool makes room for."""
_BOOT_CODE = 440
_ESP = uuid.UUID("C12A7328-F81F-11D2-BA4B-00A0C93EC93B").bytes_le
_MBR_ESP = 0xEF

OVMF_DIRECTORY = "/usr/share/OVMF"
_PAIRS = (("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"), ("OVMF_CODE.fd", "OVMF_VARS.fd"))
"""Code and variables without Secure Boot; the first two since Debian 12 and Ubuntu 20.10."""


def choose(head: bytes) -> str:
    """``bios`` or ``uefi`` for a disk that begins with ``head``.

    BIOS is faster, so UEFI is only for a disk that has an EFI system partition and no boot code for BIOS.
    """
    return "uefi" if not any(head[:_BOOT_CODE]) and has_esp(head) else "bios"


def has_esp(head: bytes) -> bool:
    """Whether the partition table in ``head`` has an EFI system partition."""
    if head[SECTOR : SECTOR + 8] == b"EFI PART":
        first, count, size = struct.unpack_from("<QII", head, SECTOR + 72)
        if size < 128:
            return False
        ends = min(first * SECTOR + count * size, len(head) - 16)
        return any(head[at : at + 16] == _ESP for at in range(first * SECTOR, ends, size))
    return head[510:512] == b"\x55\xaa" and any(head[446 + 16 * number + 4] == _MBR_ESP for number in range(4))


def read_head(host: Host, image: str, image_format: str, directory: str) -> bytes:
    """The first :data:`HEAD_SECTORS` of the disk; ``directory`` is for a temporary file."""
    copy = os.path.join(directory, "head")
    argv = [host.require("qemu-img", QEMU_IMG_PACKAGE), "dd", "-U", "-f", image_format, "-O", "raw"]
    argv += [f"bs={SECTOR}", f"count={HEAD_SECTORS}", f"if={image}", f"of={copy}"]
    host.run(argv).checked()
    try:
        with open(copy, "rb") as file:
            return file.read()
    finally:
        os.unlink(copy)


def prepare(directory: str, ovmf: str = OVMF_DIRECTORY) -> Uefi:
    """Firmware with variables of its own, which are put into ``directory``. Raises BadRequestError without OVMF."""
    code, variables = find(ovmf)
    copy = os.path.join(directory, "variables.fd")
    try:
        shutil.copyfile(variables, copy)
    except OSError as error:
        raise StoreError(f"{error.filename} cannot be copied: {error.strerror}", "Free some space") from error
    return Uefi(code, copy)


def find(ovmf: str = OVMF_DIRECTORY) -> tuple[str, str]:
    """OVMF's code and variables. Raises BadRequestError without them."""
    for pair in _PAIRS:
        code, variables = (os.path.join(ovmf, name) for name in pair)
        if os.path.isfile(code) and os.path.isfile(variables):
            return code, variables
    raise BadRequestError(
        f"UEFI firmware is missing: {ovmf} has no {_PAIRS[0][0]} with {_PAIRS[0][1]}",
        f"Install the package {PACKAGE}, or boot with firmware: bios",
    )
