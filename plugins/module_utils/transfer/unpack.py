# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are published compressed, or as a VHD in a tar archive.

What a file is shows in its first bytes; its name does not count. The file has been verified as it was published.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import tarfile
import typing as t
import zlib
from dataclasses import dataclass

from ..common.errors import BadRequestError, CommandError, VerificationError
from ..common.host import Host
from ..common.space import free_bytes
from .space import full_disk_error, require_space
from .sparse import SparseFile

_READ = 1024 * 1024
_TAR_BLOCK = 512
_VHD_COOKIE = b"conectix"
"""Begins the footer in the last 512 bytes of a VHD (Virtual Hard Disk Image Format Specification 1.0)."""

_MAGIC = {"xz": b"\xfd7zXZ\x00", "gz": b"\x1f\x8b", "bz2": b"BZh", "zst": b"\x28\xb5\x2f\xfd"}


class _Readable(t.Protocol):
    def read(self, size: int = ..., /) -> bytes:
        """At most ``size`` bytes."""


@dataclass(frozen=True)
class Unpacked:
    """The image that was in a file."""

    digest: str
    """``sha256:<hex>`` of the image."""
    size: int
    kind: str
    """What the file was: ``xz``, ``gz``, ``bz2``, ``zst``, ``tar``, ``tar.gz``, …"""


def compression_of(head: bytes) -> str:
    """``xz``, ``gz``, ``bz2`` or ``zst`` of the first bytes of a file; empty for anything else."""
    return next((kind for kind, magic in _MAGIC.items() if head.startswith(magic)), "")


def unpack(host: Host, source: str, dest: str) -> Unpacked | None:
    """Write the image that is packed in the file ``source`` to ``dest``, with holes; None if it is not packed.

    ``dest`` is on the disk when this returns, and gone when this raises.

    :raises VerificationError: ``source`` is damaged.
    :raises BadRequestError: the archive holds no image, or several.
    :raises StoreError: the disk is full, or refuses.
    :raises MissingProgramError: ``zstd`` is needed.
    """
    with open(source, "rb") as file:
        head = file.read(_TAR_BLOCK)
        compression = compression_of(head)
        if not compression and not _is_tar(head):
            return None
        require_space(dest, os.fstat(file.fileno()).st_size)
        file.seek(0)
        with _removed_on_failure(dest):
            if compression == "zst":
                return _unpack_zst(host, source, dest)
            with _damage_named(source, compression or "tar"), _decompressed(file, compression) as stream:
                return _unpack_stream(source, stream, dest, compression)


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _decompressed(file: t.BinaryIO, compression: str) -> contextlib.AbstractContextManager[_Readable]:
    if compression == "xz":
        return lzma.LZMAFile(file)
    if compression == "gz":
        return gzip.GzipFile(fileobj=file)
    if compression == "bz2":
        return bz2.BZ2File(file)
    return contextlib.nullcontext(file)


def _unpack_zst(host: Host, source: str, dest: str) -> Unpacked:
    """Python has no zstd of its own before 3.14: the program writes a file beside ``dest``, which is read once."""
    zstd = host.require("zstd", "zstd")
    plain = dest + ".unzst"
    try:
        try:
            host.run([zstd, "-d", "-f", "-q", "-o", plain, "--", source]).checked()
        except CommandError as error:
            if "No space left" in error.cause:
                free = free_bytes(os.path.dirname(os.path.abspath(dest)))
                raise full_disk_error(dest, None, free, "became full while unpacking") from error
            raise _damaged(source, "zst", error.cause) from error
        with _damage_named(source, "zst"), open(plain, "rb") as stream:
            return _unpack_stream(source, stream, dest, "zst")
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(plain)


def _unpack_stream(source: str, stream: _Readable, dest: str, compression: str) -> Unpacked:
    image = SparseFile(dest)
    try:
        head = _read_full(stream, _TAR_BLOCK)
        kind = compression
        if _is_tar(head):
            kind = f"tar.{compression}" if compression else "tar"
            _write_vhd_of_tar(source, _Rejoined(head, stream), image)
        else:
            image.write(head)
            _copy(stream, image)
        return Unpacked(image.finish(), image.size, kind)
    finally:
        image.close()


def _write_vhd_of_tar(source: str, stream: _Readable, image: SparseFile) -> None:
    """Write the one VHD of an archive. Nothing else of the archive is used, not even the name."""
    seen: list[str] = []
    images: list[str] = []
    with tarfile.open(fileobj=t.cast("t.IO[bytes]", stream), mode="r|") as archive:
        for member in archive:
            seen.append(member.name)
            if not member.isreg() or not member.name.lower().endswith(".vhd"):
                continue
            images.append(member.name)
            content = archive.extractfile(member)
            if len(images) == 1 and content is not None:
                _copy(content, image)
    if len(images) != 1:
        count = f"{len(images)} VHD images: {', '.join(images)}" if images else f"no VHD image; it holds {_some(seen)}"
        raise BadRequestError(
            f"the tar archive {source} holds {count}",
            "Ask for the file type of a disk image; of archives only those with exactly one VHD are unpacked",
        )
    if not image.tail(512).startswith(_VHD_COOKIE):
        raise VerificationError(
            f"{images[0]} in the tar archive {source} is no VHD: the footer is missing",
            "The publisher's file is damaged: choose another serial or file type",
        )


def _some(names: list[str]) -> str:
    if not names:
        return "nothing"
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


class _Rejoined:
    """A stream of which the first bytes were read already."""

    def __init__(self, head: bytes, rest: _Readable) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        head = self._head if size < 0 else self._head[:size]
        self._head = self._head[len(head) :]
        return head or self._rest.read(size)


def _read_full(stream: _Readable, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


def _copy(stream: _Readable, image: SparseFile) -> None:
    while data := stream.read(_READ):
        image.write(data)


@contextlib.contextmanager
def _removed_on_failure(path: str) -> t.Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


@contextlib.contextmanager
def _damage_named(source: str, kind: str) -> t.Iterator[None]:
    try:
        yield
    except (EOFError, OSError, lzma.LZMAError, zlib.error, tarfile.TarError) as error:
        raise _damaged(source, kind, str(error)) from error


def _damaged(source: str, kind: str, said: str) -> VerificationError:
    return VerificationError(
        f"{source} cannot be unpacked as {kind}: {said}",
        "The publisher's file is damaged: choose another serial, file type or mirror",
    )
