# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""qemu-img: what an image is, overlays, conversion."""

from __future__ import annotations

import json
import os
import stat
import typing as t
from dataclasses import dataclass

from ..common.errors import BadRequestError, CommandError, StoreError, VerificationError
from ..common.host import Host
from ..common.size import format_size
from .header import HEAD_LENGTH, DamagedHeaderError, Header, parse_header

PACKAGE = "qemu-utils"
COMPRESSIONS = ("zstd", "zlib", "none")
LARGEST_DISK = 2 * 1024**5
"""Bytes. QEMU's limit for a qcow2 with clusters of 64 KiB: a level 1 table of 32 MiB, 512 MiB of disk per entry."""
_FINE_CLUSTER = 4096
_LARGEST_FINE_DISK = 8 * 1024**4
"""Bytes. As above, with clusters of 4 KiB."""
_COROUTINES = 16
"""What qemu-img allows at the most. Each compresses a cluster in a thread of its own."""


@dataclass(frozen=True)
class ImageInfo:
    """What an image is. Sizes are bytes."""

    path: str
    format: str
    """As QEMU calls it: ``qcow2``, ``raw``, ``vmdk``, ``vpc``, ``vhdx``, …"""
    virtual_size: int
    """Size of the disk that a guest sees."""
    actual_size: int
    """What the file occupies, holes not counted."""
    backing_file: str | None = None
    data_file: str | None = None
    cluster_size: int | None = None
    compression: str | None = None
    """How a qcow2's compressed clusters are compressed: ``zlib`` or ``zstd``."""


def version(host: Host) -> str:
    """Version of qemu-img, such as ``7.2.22``."""
    first = host.run([_program(host), "--version"]).checked().stdout.split("\n", 1)[0]
    return first.partition("version ")[2].split(" ")[0]


def inspect(host: Host, path: str, *, expected_format: str | None = None) -> ImageInfo:
    """What the image at ``path`` is.

    An image that needs another file is described without that file being opened: see :func:`refuse_foreign_files`.
    Raises VerificationError where the file is no disk image (qemu-img would call it raw), is damaged, or is of another
    format than ``expected_format``; StoreError where it cannot be read.
    """
    header = read_header(path)
    if expected_format is not None and header.format != expected_format:
        raise VerificationError(
            f"{path} is no {expected_format} image: it {_begins(path, header)}",
            "Look at what the file really is, and name an image of the right format",
        )
    if not header.format:
        raise VerificationError(
            f"{path} is not a disk image: it {_begins(path, header)}",
            "Look at what the file really is, and name the image of a disk",
        )
    if header.backing_file is not None or header.data_file is not None or header.extent_files:
        data_file = header.data_file or ("(the extents of its descriptor)" if header.extent_files else None)
        return ImageInfo(path, header.format, 0, os.stat(path).st_blocks * 512, header.backing_file, data_file)
    return open_info(host, path, header.format)


def read_header(path: str) -> Header:
    """What the first bytes of the file say. Raises VerificationError for a header that contradicts itself."""
    _require_disk(path)
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_LENGTH)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 512))
            return parse_header(head, file.read(512))
    except DamagedHeaderError as error:
        raise VerificationError(f"{path} is a damaged image: {error}", "Fetch it again") from error
    except OSError as error:
        raise StoreError(
            f"the image {path} cannot be read: {error.strerror}", "Look at its name and permissions"
        ) from error


def refuse_foreign_files(info: ImageInfo) -> None:
    """Raise VerificationError when the image makes QEMU open another file.

    Such a header can name any file of this host, which then could be read from inside the guest.
    """
    for kind, name in (("backing file", info.backing_file), ("external data file", info.data_file)):
        if name is not None:
            raise VerificationError(
                f"{info.path} needs the {kind} {name}: an image from elsewhere that names files of this host could "
                f"show their content to whoever uses it",
                "Take an image that is whole in itself; qemu-img convert -O qcow2 makes one, where this came from",
            )


def create_overlay(
    host: Host, base: str, base_format: str, path: str, size: int | None = None, *, fine: bool = False
) -> None:
    """Make the qcow2 ``path``, empty over ``base``, ``size`` bytes large to the guest (None: as large as the base).

    ``fine``: what the guest discards reads as zeros, to the single block of a file system. Otherwise a block stays as
    it is whose neighbours, in a cluster of 64 KiB, are used.

    Raises BadRequestError when ``size`` is less than the base's.
    """
    base = os.path.abspath(base)
    options: list[str] = []
    if size is not None or fine:
        virtual_size = open_info(host, base, base_format).virtual_size
        if fine and max(size or 0, virtual_size) <= _LARGEST_FINE_DISK:
            options = ["-o", f"cluster_size={_FINE_CLUSTER}"]
        if size is not None and size < virtual_size:
            raise BadRequestError(
                f"size {format_size(size)} is less than the base image's {format_size(virtual_size)}",
                "Leave size out, or choose a larger one: disks are only grown",
            )
    argv = [_program(host), "create", "-q", "-f", "qcow2", "-F", base_format, "-b", base, *options]
    argv.append(os.path.abspath(path))
    host.run(argv if size is None else [*argv, str(size)]).checked()


def is_grown(host: Host, overlay: str) -> bool:
    """Whether an overlay made here is a larger disk than what it lies over."""
    argv = [_program(host), "info", "-f", "qcow2", "-U", "--backing-chain", "--output=json", os.path.abspath(overlay)]
    chain = json.loads(host.run(argv).checked().stdout)
    return len(chain) > 1 and chain[0]["virtual-size"] > chain[1]["virtual-size"]


def convert(host: Host, source: str, dest: str, *, compression: str = "zstd", source_format: str = "qcow2") -> None:
    """Write ``source`` with all that lies below it into the qcow2 ``dest`` that needs no other file.

    ``compression``: ``zstd``, ``zlib`` (for QEMU before 5.1) or ``none``.
    """
    argv = [_program(host), "convert", "-q", "-f", source_format, "-O", "qcow2", "-m", str(_COROUTINES), "-W"]
    if compression != "none":
        argv += ["-c", "-o", f"compression_type={compression}"]
    host.run([*argv, os.path.abspath(source), os.path.abspath(dest)]).checked()


def check(host: Host, path: str) -> None:
    """Raise VerificationError when the metadata of the qcow2 ``path`` is damaged. Leaked clusters are no damage."""
    done = host.run([_program(host), "check", "-f", "qcow2", "-U", "--output=json", os.path.abspath(path)])
    if done.rc in (0, 3):
        return
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = {}
    count = int(found.get("corruptions", 0)) + int(found.get("check-errors", 0))
    reason = f"qemu-img check finds {count} errors" if count else done.stderr.strip() or "qemu-img check failed"
    raise VerificationError(f"{path} is damaged: {reason}", "Build or fetch it again")


def open_info(host: Host, path: str, format_name: str) -> ImageInfo:
    """What qemu-img says of an image of this format; what lies below it is not opened. Raises VerificationError."""
    _require_disk(path)
    # A fixed VHD is known by its footer alone, where qemu-img does not look.
    given = ["-f", format_name] if format_name in ("raw", "vpc") else []
    done = host.run([_program(host), "info", *given, "-U", "--output=json", os.path.abspath(path)])
    if done.rc != 0:
        said = done.stderr.strip().replace("qemu-img: ", "", 1)
        raise VerificationError(f"{path} is a damaged {format_name} image: {said}", "Fetch it again")
    found: dict[str, t.Any] = json.loads(done.stdout)
    if found["format"] != format_name:
        raise CommandError(f"qemu-img takes {path} for {found['format']}, its first bytes say {format_name}")
    specific = found.get("format-specific", {}).get("data", {})
    if specific.get("corrupt"):
        raise VerificationError(f"{path} is marked as corrupt", "Fetch it again, or see: qemu-img check -r all")
    return ImageInfo(
        path,
        found["format"],
        found["virtual-size"],
        found["actual-size"],
        found.get("full-backing-filename", found.get("backing-filename")),
        specific.get("data-file"),
        found.get("cluster-size"),
        specific.get("compression-type"),
    )


def _require_disk(path: str) -> None:
    """Raise StoreError for a pipe or the like, which would be waited for; what is not there the reader tells."""
    if os.path.exists(path) and not (os.path.isfile(path) or stat.S_ISBLK(os.stat(path).st_mode)):
        raise StoreError(f"the image {path} is no file", "Give the path of the image of a disk")


def _program(host: Host) -> str:
    return host.require("qemu-img", PACKAGE)


def _begins(path: str, header: Header) -> str:
    """For a sentence: what stands at the beginning of a file that should have been another."""
    if header.format:
        return f"is {header.format}"
    with open(path, "rb") as file:
        head = file.read(48)
    if not head:
        return "is empty"
    return f"begins with {head!r}" if head.strip(b"\0") else "begins with zeros, and has no partition table"
