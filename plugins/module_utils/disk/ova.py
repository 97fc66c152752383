# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OVF package in one file: a tar archive (USTAR) whose members stand in the order that importers rely on."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import typing as t

from ..common.errors import BadRequestError, StoreError
from ..common.size import format_size
from . import ovf

_BLOCK = 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
"""What needs no quoting in a URI, which the descriptor's references are, so that all parts name the members alike."""
_LONGEST_NAME = 80
"""USTAR has 100 bytes for a name; those of the members are longer than the package's."""
_LARGEST_MEMBER = 8 * 1024**3 - 1
"""What the eleven octal digits of USTAR can say."""


def package_name(path: str) -> str:
    """What the package at ``path`` is called. Raises BadRequestError where its members could not be named after it."""
    name = os.path.basename(path)
    name = name[: -len(".ova")] if name.endswith(".ova") else name
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise BadRequestError(
            f"the files in an OVA are named after it, and {name!r} does not do",
            f"Use {_LONGEST_NAME} letters, digits, `.`, `_`, `+` and `-` at the most",
        )
    return name


def disk_name(path: str) -> str:
    """What the disk in the package at ``path`` is called."""
    return f"{package_name(path)}-disk1.vmdk"


def write_package(path: str, name: str, machine: ovf.Machine, disk: str, capacity: int, moment: int) -> None:
    """Write the package called ``name`` to ``path``.

    ``disk`` is its disk, a streamOptimized VMDK of ``capacity`` bytes; ``moment``, in seconds since 1970, is when its
    files were made. Raises StoreError where the disk is too large for the format; OSError.
    """
    size = os.stat(disk).st_size
    if size > _LARGEST_MEMBER:
        raise StoreError(
            f"the compressed disk has {format_size(size)}, and a file in an OVA has to be smaller than 8 GiB",
            "Write a vmdk, and import that",
        )
    file = ovf.DiskFile(os.path.basename(disk), size, capacity)
    descriptor = ovf.descriptor(machine, name, file)
    digests = [(f"{name}.ovf", hashlib.sha256(descriptor).hexdigest()), (file.name, _hex_digest(disk))]
    with tarfile.open(path, mode="w", format=tarfile.USTAR_FORMAT) as archive, open(disk, "rb") as content:
        _add(archive, f"{name}.ovf", len(descriptor), moment, io.BytesIO(descriptor))
        listed = ovf.manifest(digests)
        _add(archive, f"{name}.mf", len(listed), moment, io.BytesIO(listed))
        _add(archive, file.name, size, moment, content)


def disk_in(path: str) -> tuple[int, int]:
    """Offset and size of the disk in the package at ``path``, which :func:`write_package` wrote."""
    with tarfile.open(path, "r:") as archive:
        disk = next(member for member in archive if member.name.endswith(".vmdk"))
        return disk.offset_data, disk.size


def _add(archive: tarfile.TarFile, name: str, size: int, moment: int, content: t.IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, moment, 0o644
    archive.addfile(member, content)


def _hex_digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()
