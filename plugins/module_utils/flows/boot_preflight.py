# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be known not to boot, before anything is done for it."""

from __future__ import annotations

import codecs
import os
import platform
import stat

from ..boot import firmware, qemu, seed, seed_iso, ssh
from ..boot.model import BootOptions
from ..common.errors import BadRequestError, StoreError
from ..common.host import Host
from ..common.size import format_size
from ..common.space import require_free_space
from ..disk import qemu_img
from ..engine import accel
from ..host import procfs
from ..store.files import unreadable

LEAST_SPACE = 64 * 1024**2
"""Bytes. Less than any guest writes that comes to its end."""
_LEAST_MEMORY = 128 * 1024**2
_MOST_CPUS = 255
"""As many as QEMU can number without an IOMMU."""
_TIMEOUTS = (10, 24 * 60 * 60)
_ARCHITECTURE, _MACHINE = "amd64", "x86_64"
"""What can be booted, as Debian and as the kernel call it."""
_PROGRAMS = (
    (qemu.PROGRAM, qemu.PACKAGE),
    ("qemu-img", qemu_img.PACKAGE),
    ("xorriso", seed_iso.PACKAGE),
    ("ssh-keygen", ssh.PACKAGE),
    ("ssh", ssh.PACKAGE),
    *((program, "util-linux") for program in ("setsid", "flock", "setpriv")),
)
_HEAD = 65536
_VMDK_IN_WORDS = "# Disk DescriptorFile"


def preflight(
    host: Host,
    options: BootOptions,
    *,
    image: str = "",
    workdir: str | None = None,
    architecture: str = _ARCHITECTURE,
    prefix: str = "",
) -> None:
    """Refuse what can be known not to boot. Raises a GoldsmithError.

    ``image`` is the file, and ``workdir`` where it is to be booted, as far as they are known; ``architecture`` is what
    the image is for, as Debian calls it. ``prefix`` stands before the names of options in messages.
    """
    if architecture != _ARCHITECTURE:
        raise BadRequestError(
            f"boot checks are for amd64, and the image is for {architecture}", "Boot it elsewhere, without this check"
        )
    if platform.machine() != _MACHINE:
        raise BadRequestError(
            f"boot checks are for amd64, and this host is {platform.machine()}", "Run them on a host that is amd64"
        )
    require_possible(options, prefix)
    _require_memory(options.memory, prefix)
    seed.seed_from(options.seed, "goldsmith-boot")
    if options.console_log is not None:
        require_log(options.console_log, image)
    if workdir is not None:
        _require_room(workdir, image)
    for program, package in _PROGRAMS:
        host.require(program, package)
    if options.firmware == "uefi":
        firmware.find()
    if options.accel == "kvm":
        choose_accel(host, options.accel)


def require_possible(options: BootOptions, prefix: str = "") -> None:
    """Raise BadRequestError for an option that no guest can have; ``prefix`` stands before its name."""
    if options.memory < _LEAST_MEMORY:
        raise BadRequestError(
            f"{prefix}memory is {format_size(options.memory)}", "Give at least 128M; cloud images need 512M or more"
        )
    for name, value, (least, most) in (
        ("cpus", options.cpus, (1, _MOST_CPUS)),
        ("timeout", options.timeout, _TIMEOUTS),
    ):
        if not least <= value <= most:
            raise BadRequestError(f"{prefix}{name} is {value}", f"Give a number from {least} to {most}")
    if options.disk_size is not None and options.disk_size > qemu_img.LARGEST_DISK:
        raise BadRequestError(
            f"{prefix}disk_size is {format_size(options.disk_size)}, and a qcow2 holds "
            f"{format_size(qemu_img.LARGEST_DISK)} at the most",
            "Choose a smaller one",
        )
    if options.ssh_port is not None and not 0 < options.ssh_port < 65536:
        raise BadRequestError(
            f"{prefix}ssh_port is {options.ssh_port}", "Give a number from 1 to 65535, or leave it out"
        )


def _require_memory(memory: int, prefix: str) -> None:
    with open("/proc/meminfo", encoding="ascii") as file:
        found = procfs.fields_of_status(file.read())
    there = procfs.amount(found, "MemTotal") + procfs.amount(found, "SwapTotal")
    if memory > there:
        raise BadRequestError(
            f"{prefix}memory is {format_size(memory)}, and this host has {format_size(there)}, swap included",
            "Give the guest less; most images boot with 1G",
        )


def _require_room(workdir: str, image: str) -> None:
    """See that a boot can write below a directory, which need not exist yet."""
    existing = workdir
    while not os.path.lexists(existing):
        existing = os.path.dirname(existing)
    if not os.path.isdir(existing):
        raise StoreError(
            f"{workdir} cannot be made: {existing} is no directory", "Choose another store, or move it away"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise StoreError(
            f"{workdir} cannot be written: this user may not write {existing}", "Use become, or choose another store"
        )
    # What the kernel alone fills, as /proc, has no room at all.
    require_free_space(existing, LEAST_SPACE, f"a boot of {image}")


def choose_accel(host: Host, wanted: str) -> str:
    """``kvm`` or ``tcg``, for ``auto``, ``kvm`` or ``tcg``; warns where KVM does not work."""
    if wanted == "tcg":
        return "tcg"
    kvm = accel.probe(host)
    if kvm.works:
        return "kvm"
    if wanted == "kvm":
        raise BadRequestError(
            f"accel: kvm was asked for, but {kvm.reason}", "Repair that, or boot without it by accel: tcg"
        )
    host.warn(f"{kvm.reason}: booting with TCG, which takes one to two minutes; accel: tcg silences this")
    return "tcg"


def require_log(path: str, image: str) -> None:
    """See that the console's log can be written, and that nothing but an earlier one is replaced by it.

    Raises a GoldsmithError.
    """
    directory = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(directory):
        raise BadRequestError(f"the directory of console_log {path} does not exist", "Make it before")
    if os.path.lexists(path):
        _require_replaceable(path, image)
    if not os.access(directory, os.W_OK | os.X_OK):
        raise BadRequestError(
            f"console_log {path} cannot be written: this user may not write its directory",
            "Use become, or choose another directory",
        )


def _require_replaceable(path: str, image: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        raise BadRequestError(f"console_log {path} is a directory", "Name a file in it")
    try:
        what = _obstacle(path, image)
    except OSError as error:
        raise unreadable(path, error) from error
    if what:
        raise BadRequestError(
            f"console_log {path} is there, and is {what}: the log would replace it",
            "Name a file that is not there yet, or the log of an earlier boot",
        )


def _obstacle(path: str, image: str) -> str:
    """What is there that is no log; empty where it may be one."""
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if not stat.S_ISREG(mode):
        return "no regular file"
    if os.path.exists(image) and os.path.samefile(path, image):
        return "the image itself"
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    try:
        # The head may end within a character.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "no text"
    return "no text" if "\0" in text or text.lstrip().startswith(_VMDK_IN_WORDS) else ""
