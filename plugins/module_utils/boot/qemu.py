# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's command line for a guest that is thrown away. Pure."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

PROGRAM = "qemu-system-x86_64"
PACKAGE = "qemu-system-x86"
REPORT_PORT = "goldsmith.report"
"""Name of the virtio-serial port by which the guest reports."""
LOOPBACK = "127.0.0.1"
MAC = "52:54:00:67:6f:6c"
"""By which the guest's card is told from bridges of its own."""


@dataclass(frozen=True)
class Uefi:
    """OVMF's two halves; the guest writes to ``variables``."""

    code: str
    variables: str


@dataclass(frozen=True)
class Guest:
    """What QEMU is to start. Paths are absolute; ``memory`` is in bytes."""

    name: str
    disk: str
    """A qcow2."""
    seed: str
    console: str
    """A file for all that the serial console says."""
    report: str
    """A file for what comes from :data:`REPORT_PORT`."""
    accel: str
    memory: int
    cpus: int
    ssh_port: int
    """On the host's loopback, leads to the guest's port 22. Nothing else passes, in either direction."""
    uefi: Uefi | None = None


def command_line(program: str, guest: Guest) -> list[str]:
    """The argument list that starts ``guest``."""
    argv = [program, "-name", f"guest={_escaped(guest.name)}", "-nodefaults", "-no-user-config", "-display", "none"]
    argv += ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
    # Without graphics SeaBIOS shows on the serial port what it and GRUB would show on the screen.
    argv += ["-machine", "q35,graphics=off", "-boot", "strict=on"]
    if guest.accel == "kvm":
        argv += ["-accel", "kvm", "-cpu", "host"]
    else:
        argv += ["-accel", "tcg,thread=multi", "-cpu", "max"]
    argv += ["-smp", str(guest.cpus), "-m", f"{guest.memory // 1024**2}M", "-rtc", "base=utc"]
    if guest.uefi is not None:
        argv += _flash("code", 0, guest.uefi.code, read_only=True)
        argv += _flash("variables", 1, guest.uefi.variables, read_only=False)
    # The disk is thrown away: nothing of it has to reach the host's disk.
    cache = {"no-flush": True}
    argv += _block("disk", {"driver": "qcow2", "file": _file(guest.disk), "cache": cache, "discard": "unmap"})
    argv += ["-device", "virtio-blk-pci,drive=disk,bootindex=1"]
    argv += _block("seed", {"driver": "raw", "file": _file(guest.seed), "read-only": True})
    argv += ["-device", "virtio-blk-pci,drive=seed"]
    argv += ["-netdev", f"user,id=net,restrict=on,hostfwd=tcp:{LOOPBACK}:{guest.ssh_port}-:22"]
    # Without its ROM nothing is booted from the network.
    argv += ["-device", f"virtio-net-pci,netdev=net,mac={MAC},romfile=", "-device", "virtio-rng-pci"]
    argv += ["-chardev", f"file,id=console,path={_escaped(guest.console)}", "-serial", "chardev:console"]
    argv += ["-chardev", f"file,id=report,path={_escaped(guest.report)}", "-device", "virtio-serial-pci"]
    return [*argv, "-device", f"virtserialport,chardev=report,name={REPORT_PORT}"]


def _flash(name: str, unit: int, path: str, *, read_only: bool) -> list[str]:
    mode = "on" if read_only else "off"
    return ["-drive", f"if=pflash,unit={unit},id={name},format=raw,readonly={mode},file={_escaped(path)}"]


def _block(name: str, options: dict[str, t.Any]) -> list[str]:
    return ["-blockdev", json.dumps({"node-name": name, **options})]


def _file(path: str) -> dict[str, str]:
    return {"driver": "file", "filename": path}


def _escaped(text: str) -> str:
    """For a value of an option: a comma would begin the next one."""
    return text.replace(",", ",,")
