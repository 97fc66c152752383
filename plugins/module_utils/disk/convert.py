# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing an image in another format with qemu-img, and looking at what came of it."""

from __future__ import annotations

import json
import os
import typing as t
from collections.abc import Sequence

from ..common.errors import BadRequestError, CommandError, StoreError, VerificationError
from ..common.host import Completed, Host
from ..common.space import free_bytes
from . import ova, vhd
from .formats import Target
from .qemu_img import PACKAGE, ImageInfo

_ANY_ORDER = ("qcow2", "raw", "vhd")
"""Whose clusters may be written in any order. A streamOptimized VMDK is read from its beginning to its end."""
_CHECKED = ("qcow2", "vmdk", "vhdx")
"""Formats whose metadata qemu-img check knows."""
_COROUTINES = 16
_FULL = 1024 * 1024
"""Bytes. A file system with less is full."""
_DIFFERENT = 1
"""What qemu-img compare exits with where it could read both, and they differ."""


def inspect_with_backing_files(host: Host, path: str) -> ImageInfo:
    """What the qcow2 ``path`` is that may need other files, all of which are opened. Raises VerificationError."""
    argv = [_program(host), "info", "-f", "qcow2", "-U", "--backing-chain", "--output=json", path]
    done = host.run(argv)
    if done.rc != 0:
        raise VerificationError(
            f"{path} or a file that it needs cannot be read: {_said(done)}", "Look at all files of its backing chain"
        )
    chain: list[dict[str, t.Any]] = json.loads(done.stdout)
    return ImageInfo(
        path,
        "qcow2",
        chain[0]["virtual-size"],
        sum(layer["actual-size"] for layer in chain),
        chain[0].get("full-backing-filename", chain[0].get("backing-filename")),
    )


def needed_bytes(host: Host, source: ImageInfo, target: Target) -> int:
    """Bytes that a file of ``target`` takes, as a rule; of what is compressed, at the least."""
    if target.allocates:
        return target.virtual_size(source.virtual_size)
    if target.compresses:
        # A stream of the same data; what is not compressed yet loses about half.
        needed = source.actual_size // 2
        return 2 * needed if target.machine is not None else needed
    if source.format != "qcow2":
        return source.actual_size
    argv = [_program(host), "measure", "--output=json", "-U", "-f", "qcow2", "-O", "qcow2", source.path]
    return int(json.loads(host.run(argv).checked().stdout)["required"])


def convert(host: Host, source: ImageInfo, target: Target, dest: str) -> None:
    """Write the disk of ``source`` into the new file ``dest``, as the disk of ``target``.

    Raises StoreError (no space, a guest writes to the source), CommandError.
    """
    program = _program(host)
    size = target.virtual_size(source.virtual_size)
    read, read_format = source.path, source.format
    if size != source.virtual_size:
        # Convert cannot be told another size than that of what it reads.
        read, read_format = f"{dest}.grown", "qcow2"
        overlay = [program, "create", "-q", "-f", "qcow2", "-F", source.format, "-b", source.path]
        _run(host, [*overlay, read, str(size)], source.path, dest)
    argv = [program, "convert", "-q", "-f", read_format, "-O", target.qemu_format, "-m", str(_COROUTINES)]
    argv += ["-W"] if target.format in _ANY_ORDER else []
    argv += ["-c"] if target.compresses else []
    argv += ["-o", target.creation_options()] if target.creation_options() else []
    _run(host, [*argv, read, dest], source.path, dest)
    if read != source.path:
        os.unlink(read)


def _run(host: Host, argv: Sequence[str], source: str, dest: str) -> None:
    done = host.run(argv)
    if done.rc == 0:
        return
    directory = os.path.dirname(os.path.dirname(dest))
    if _is_full(done, directory):
        raise StoreError(
            f"no space left in {directory} for {os.path.basename(dest)}",
            "Free some space there, or choose a dest on another file system",
        )
    if "File too large" in done.stderr:
        raise StoreError(
            f"the file system of {directory} takes no file as large as {os.path.basename(dest)}",
            "Choose a dest on another file system",
        )
    if "lock" in done.stderr and source in done.stderr:
        raise StoreError(
            f"{source} is being written to by another program, most likely a guest: {_said(done)}",
            "Shut the guest down, or convert an image that no guest runs on",
        )
    done.checked()


def _is_full(done: Completed, directory: str) -> bool:
    """Whether there was no space; of a VMDK QEMU says then that an argument is invalid."""
    said = any(reason in done.stderr for reason in ("No space left on device", "Disk quota exceeded"))
    return said or free_bytes(directory) < _FULL


def image_in(path: str, target: Target) -> str:
    """How qemu-img is told of the disk in the file that was written, an OVA's where it lies."""
    if target.machine is None:
        return path
    offset, size = ova.disk_in(path)
    file = {"driver": "file", "filename": path}
    return "json:" + json.dumps(
        {"driver": target.qemu_format, "file": {"driver": "raw", "offset": offset, "size": size, "file": file}}
    )


def require_sound(host: Host, path: str, target: Target, source_size: int) -> int:
    """The virtual size of what was written, opened anew; raises VerificationError when it is not what it should be."""
    name = image_in(path, target)
    given = [] if target.machine is not None else ["-f", target.qemu_format]
    argv = [_program(host), "info", *given, "--output=json", name]
    done = host.run(argv)
    if done.rc:
        raise _unsound(path, _said(done), target)
    found: dict[str, t.Any] = json.loads(done.stdout)
    wanted = target.virtual_size(source_size)
    if (found["format"], found["virtual-size"]) != (target.qemu_format, wanted):
        raise _unsound(
            path, f"qemu-img finds {found['format']} of {found['virtual-size']} bytes, wanted were {wanted}", target
        )
    subformat = found.get("format-specific", {}).get("data", {}).get("create-type")
    if subformat != target.options.get("subformat"):
        raise _unsound(path, f"its subformat is {subformat}", target)
    if target.qemu_format in _CHECKED:
        done = host.run([_program(host), "check", *given, name])
        if done.rc not in (0, 3):
            raise _unsound(path, _said(done), target)
    if target.format == "vhd":
        _require_taken_by_azure(path, target)
    return wanted


def _require_taken_by_azure(path: str, target: Target) -> None:
    with open(path, "rb") as file:
        size = file.seek(-vhd.FOOTER_LENGTH, os.SEEK_END) + vhd.FOOTER_LENGTH
        tail = file.read()
    try:
        refused = vhd.refusals(vhd.parse_footer(tail), size)
    except vhd.NoFooterError as error:
        refused = [str(error)]
    if refused:
        raise _unsound(path, "; ".join(refused), target)


def _unsound(path: str, reason: str, target: Target) -> VerificationError:
    return VerificationError(
        f"the {target.format} that qemu-img wrote is not what was asked for: {reason}",
        "Look at the memory and the disk of this host, and at the version of qemu-img; run again",
        path=path,
    )


def require_same(host: Host, source: ImageInfo, path: str, target: Target) -> None:
    """Raise VerificationError unless a guest reads the same from both, and zeros behind the source's end."""
    name = image_in(path, target)
    argv = [_program(host), "compare", "-f", source.format]
    # The two may be of several sizes: without -s, what is behind the smaller one's end has to be zeros.
    argv += [*([] if target.machine is not None else ["-F", target.qemu_format]), source.path, name]
    done = host.run(argv)
    if done.rc == _DIFFERENT:
        raise VerificationError(
            f"{os.path.basename(path)} does not hold what {source.path} holds: {_said(done)}",
            "Look at the memory and the disk of this host, and run again",
        )
    if done.rc:
        raise CommandError(f"qemu-img could not compare {path} with {source.path}: {_said(done)}")


def require_size(target: Target, source: ImageInfo, where: str) -> None:
    """Raise BadRequestError when the format holds no disk as large as the source."""
    try:
        target.virtual_size(source.virtual_size)
    except BadRequestError as error:
        raise BadRequestError(f"{where}: {error.cause}", error.way_out) from error


def _said(done: Completed) -> str:
    said = (done.stderr.strip() or done.stdout.strip() or "it printed nothing").splitlines()
    return said[-1].replace("qemu-img: ", "", 1)


def _program(host: Host) -> str:
    return host.require("qemu-img", PACKAGE)
