# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file or a directory as a tar archive that is the same wherever and whenever it is made.

Owners, times and the umask of who made the files are left out: what stays is names, contents, links, and whether a
file may be executed.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import typing as t
from collections.abc import Callable, Iterator

from .errors import BadRequestError


def _as_it_is(path: str) -> str:
    return path


def write_archive(source: str, file: t.IO[bytes], readable: Callable[[str], str] = _as_it_is) -> None:
    """Write the archive of ``source``, whose name is the top of it, to ``file``.

    ``readable`` gives the path to read in place of a file's, for those that are encrypted. Raises BadRequestError for
    what is neither file, directory nor symbolic link, and for what cannot be read or changes meanwhile.
    """
    try:
        _write(source, file, readable)
    except OSError as error:
        where = f"{error.filename} cannot be read: {error.strerror}" if error.filename else f"{source}: {error}"
        raise BadRequestError(where, "Look at its permissions, and run again while nothing writes there") from error


def _write(source: str, file: t.IO[bytes], readable: Callable[[str], str]) -> None:
    top = os.path.abspath(source)
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in _walk(top):
            name = os.path.relpath(path, os.path.dirname(top))
            found = os.lstat(path)
            member = tarfile.TarInfo(name)
            if stat.S_ISLNK(found.st_mode):
                member.type, member.linkname = tarfile.SYMTYPE, os.readlink(path)
                archive.addfile(member)
            elif stat.S_ISDIR(found.st_mode):
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            elif stat.S_ISREG(found.st_mode):
                member.mode = 0o755 if found.st_mode & 0o111 else 0o644
                with open(readable(path), "rb") as content:
                    member.size = os.fstat(content.fileno()).st_size
                    archive.addfile(member, content)
            else:
                raise BadRequestError(f"{path} is neither a file, a directory nor a symbolic link", "Leave it out")


def archive_digest(source: str) -> str:
    """``sha256:…`` of what :func:`write_archive` would write; nothing is written."""
    file = _Hashed()
    write_archive(source, t.cast("t.IO[bytes]", file))
    return f"sha256:{file.digest.hexdigest()}"


class _Hashed(io.RawIOBase):
    """Takes bytes and keeps their digest alone."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.sha256()
        self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: t.Any) -> int:
        self.digest.update(data)
        self._at += len(data)
        return len(data)


def _walk(path: str) -> Iterator[str]:
    yield path
    if os.path.isdir(path) and not os.path.islink(path):
        for name in sorted(os.listdir(path)):
            yield from _walk(os.path.join(path, name))
