# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KVM or TCG: what really works on this host.

``/dev/kvm`` can be there and be of no use: in nested virtualisation, on CI runners, in containers. Neither opening it
nor asking the kernel tells; QEMU aborts only when it starts the guest. So a guest is started: a boot sector.
"""

from __future__ import annotations

import grp
import os
import platform
import pwd
import stat
import tempfile
from dataclasses import dataclass

from ..common.errors import BadRequestError, CommandError
from ..common.host import Host

KVM_DEVICE = "/dev/kvm"
ACCELERATORS = ("auto", "kvm", "tcg")

_PORT = 0xF4
_PROOF = 0x2A
_PROOF_STATUS = _PROOF << 1 | 1
"""What QEMU exits with when the guest writes :data:`_PROOF` to the port of ``isa-debug-exit``."""
_PROBE_SECONDS = 15
_BOOT_SECTOR = (
    b"\xba" + _PORT.to_bytes(2, "little")  # mov dx, port
    + b"\xb0" + bytes([_PROOF])  # mov al, proof
    + b"\xee"  # out dx, al
    + b"\xf4\xeb\xfd"  # halt: hlt; jmp halt
).ljust(510, b"\0") + b"\x55\xaa"  # fmt: skip
_PROBED_ARCHITECTURES = {"x86_64": "qemu-system-x86_64"}


@dataclass(frozen=True)
class Kvm:
    """Whether guests run with KVM; ``reason`` is what is said of KVM where they do not."""

    works: bool
    reason: str = ""


def choose(wanted: str, kvm: Kvm) -> tuple[str, str]:
    """The accelerator for ``wanted`` (``auto`` or ``kvm``), and a warning, or ``""``.

    Raises BadRequestError when ``kvm`` is wanted and does not work.
    """
    if kvm.works:
        return "kvm", ""
    if wanted == "kvm":
        raise BadRequestError(
            f"accel: kvm was asked for, but {kvm.reason}", "Repair that, or build without it by accel: tcg"
        )
    return "tcg", (
        f"{kvm.reason}: using TCG, expect builds about 20 times slower; repair that, or silence this with accel: tcg"
    )


def decide(host: Host, wanted: str) -> str:
    """The accelerator to use, ``kvm`` or ``tcg``, for ``auto``, ``kvm`` or ``tcg``; warns where KVM does not work."""
    if wanted == "tcg":
        return "tcg"
    accel, warning = choose(wanted, probe(host))
    if warning:
        host.warn(warning)
    return accel


def probe(host: Host, device: str = KVM_DEVICE) -> Kvm:
    """Find out whether guests run with KVM here, by starting one.

    On other architectures than x86_64 it is only found out whether the device can be opened.
    """
    reason = device_reason(device)
    if reason:
        return Kvm(False, reason)
    program = _PROBED_ARCHITECTURES.get(platform.machine())
    if program is None or host.which(program) is None:
        return Kvm(True)
    failure = start_guest(host, program, "kvm")
    if failure:
        return Kvm(False, f"{device} is there but QEMU could not start a guest with it ({failure})")
    return Kvm(True)


def device_reason(device: str = KVM_DEVICE) -> str:
    """Why the device cannot be opened; ``""`` when it can."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return (
            f"{device} is missing (virtualisation is off in the firmware, or is not handed on to this machine, or the "
            f"kernel module kvm_intel or kvm_amd is not loaded)"
        )
    except PermissionError:
        return _permission_reason(device)
    except OSError as error:
        return f"{device} cannot be opened: {error.strerror}"
    return ""


def _permission_reason(device: str) -> str:
    found = os.stat(device)
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    if found.st_mode & stat.S_IWGRP and found.st_gid != 0:
        return f"{device} is there but {user} may not use it (add {user} to the group {group}, or use become)"
    return f"{device} is there but {user} may not use it (its mode is {stat.S_IMODE(found.st_mode):04o}: use become)"


def start_guest(host: Host, program: str, accel: str) -> str:
    """Start a guest of 512 bytes that proves that its code ran; returns why it did not, or ``""``."""
    with tempfile.TemporaryDirectory(prefix="accel-", dir=host.tmpdir) as directory:
        disk = os.path.join(directory, "boot-sector")
        with open(disk, "wb") as file:
            file.write(_BOOT_SECTOR)
        argv = [program, "-accel", accel, "-cpu", "host" if accel == "kvm" else "max", "-machine", "pc", "-m", "16"]
        argv += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        argv += ["-device", f"isa-debug-exit,iobase={_PORT:#x},iosize=1"]
        argv += ["-blockdev", f"driver=file,node-name=disk,filename={disk.replace(',', ',,')}"]
        argv += ["-device", "ide-hd,drive=disk"]
        try:
            done = host.run(argv, timeout=_PROBE_SECONDS)
        except CommandError:
            return f"it did nothing for {_PROBE_SECONDS} seconds"
    if done.rc == _PROOF_STATUS:
        return ""
    said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    # QEMU says the cause first; what follows is a failed assertion or a register dump.
    first = said[0].strip() if said else f"exit status {done.rc}"
    for prefix in (f"{program}: ", f"{os.path.basename(program)}: ", "error: "):
        first = first[len(prefix) :] if first.startswith(prefix) else first
    return first
