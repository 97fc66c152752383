# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seed as an ISO 9660 image, whose bytes depend on the seed alone."""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass

from ..common.errors import StoreError
from ..common.host import Host
from .seed import LABEL, Seed

PACKAGE = "xorriso"
_EPOCH = "946684800"
"""2000-01-01: the date of all that is in the image."""

_SECTOR = 2048
_FIRST_DESCRIPTOR = 16
_DESCRIPTORS = 16
"""More than any image has."""
_PRIMARY, _SUPPLEMENTARY, _END = 1, 2, 255
_JOLIET = (b"%/@", b"%/C", b"%/E")
_ROOT = 156
_DIRECTORY = 2
"""Flag of a directory's record."""
LARGEST_FILE = 16 * 1024 * 1024
"""Bytes. Of the directory, too: what is larger is not read."""


def write_iso(host: Host, seed: Seed, path: str) -> None:
    """Write a new file, for its owner alone: a seed may hold secrets. ``path`` must not be there yet.

    Raises MissingProgramError without xorriso, CommandError where that fails, and StoreError where files cannot be
    written; then nothing is left at ``path``.
    """
    program = host.require("xorriso", PACKAGE)
    try:
        with tempfile.TemporaryDirectory(prefix="seed-", dir=host.tmpdir) as directory:
            for name, content in seed.files().items():
                _write(os.path.join(directory, name), content)
            _write(path, b"")
            try:
                host.run(
                    [
                        *(program, "-no_rc", "-as", "mkisofs", "-quiet", "-no-pad"),
                        *("-volid", LABEL, "-joliet", "-rational-rock"),
                        *("--set_all_file_dates", f"={_EPOCH}"),
                        *("-output", path, directory),
                    ],
                    environ={"SOURCE_DATE_EPOCH": _EPOCH, "TZ": "UTC"},
                    stdin="",
                ).checked()
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                raise
    except OSError as error:
        raise StoreError(
            f"{error.filename or path} cannot be written: {error.strerror or error}",
            "Use become, free some space, or choose another directory",
        ) from error


def _write(path: str, content: bytes) -> None:
    with open(path, "xb", opener=_for_the_owner_alone) as file:
        file.write(content)


def _for_the_owner_alone(path: t.Any, flags: int) -> int:
    return os.open(path, flags, 0o600)


@dataclass(frozen=True)
class Volume:
    """What an ISO 9660 image holds."""

    label: str
    files: dict[str, bytes] | None
    """By name, of the top directory; None where they cannot be read."""


def read_iso(path: str) -> Volume | None:
    """What the ISO 9660 image at ``path`` holds, None where it is none. Needs no program.

    Names are those of Joliet: an image without it has no ``files``. Raises OSError.
    """
    with open(path, "rb") as file:
        descriptors = list(_descriptors(file))
        primary = next((found for found in descriptors if found[0] == _PRIMARY), None)
        if primary is None:
            return None
        label = primary[40:72].decode("ascii", "replace").rstrip()
        joliet = next((found for found in descriptors if found[0] == _SUPPLEMENTARY and found[88:91] in _JOLIET), None)
        try:
            return Volume(label, None if joliet is None else dict(_entries(file, joliet[_ROOT : _ROOT + 34])))
        except (struct.error, ValueError):
            return Volume(label, None)


def _descriptors(file: t.IO[bytes]) -> Iterator[bytes]:
    file.seek(_FIRST_DESCRIPTOR * _SECTOR)
    for dummy in range(_DESCRIPTORS):
        found = file.read(_SECTOR)
        if len(found) < _SECTOR or found[1:6] != b"CD001" or found[0] == _END:
            return
        yield found


def _entries(file: t.IO[bytes], root: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files in a directory; ValueError or struct.error where that is damaged."""
    directory = _extent(file, root)
    at = 0
    while at < len(directory):
        length = directory[at]
        if not length:
            # No record goes across a sector's end.
            at += _SECTOR - at % _SECTOR
            continue
        record = directory[at : at + length]
        at += length
        name = record[33 : 33 + record[32]] if len(record) > 33 else b""
        if name not in (b"\0", b"\1"):
            if not name or record[25] & _DIRECTORY:
                raise ValueError("not a file")
            yield name.decode("utf-16-be").partition(";")[0], _extent(file, record)


def _extent(file: t.IO[bytes], record: bytes) -> bytes:
    """The bytes that a directory's record points to."""
    (sector,), (size,) = struct.unpack("<I", record[2:6]), struct.unpack("<I", record[10:14])
    if size > LARGEST_FILE:
        raise ValueError("too large")
    file.seek(sector * _SECTOR)
    found = file.read(size)
    if len(found) < size:
        raise ValueError("cut off")
    return found
