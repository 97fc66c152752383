# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libguestfs makes its appliance of on this host: the kernel, the network, and the proof that it starts."""

from __future__ import annotations

import glob
import os
import platform
import re
import tempfile
import time
from dataclasses import dataclass

from ..common.errors import BadRequestError, CommandError
from ..common.host import Host
from . import failure, launching, passt
from .environment import launch_environ

_PACKAGE_LISTS = ("/usr/lib/*/guestfs/supermin.d/*packages*", "/usr/lib*/guestfs/supermin.d/*packages*")
_DHCP_CLIENTS = {"dhcpcd-base": "dhcpcd", "dhcpcd": "dhcpcd", "dhcpcd5": "dhcpcd", "isc-dhcp-client": "dhclient"}
_PICKED = re.compile(r"^supermin: kernel: picked vmlinuz (\S+)$", re.M)
_MODULES = re.compile(r"^supermin: kernel: modpath (\S+)$", re.M)
_QEMU = {"ppc64le": "qemu-system-ppc64", "armv7l": "qemu-system-arm", "i686": "qemu-system-i386"}
_LAUNCH_SECONDS = 300


@dataclass(frozen=True)
class Kernel:
    """The kernel that supermin takes."""

    path: str
    modules: str
    """Directory of its modules."""


@dataclass(frozen=True)
class Network:
    """The appliance's network."""

    backend: str
    """``passt`` or ``slirp``, which is QEMU's own."""
    reason: str
    dhcp_clients: tuple[str, ...]
    """Programs that ask for an address in the appliance."""


def qemu_program() -> str:
    """Name of the QEMU that starts the appliance."""
    machine = platform.machine()
    return _QEMU.get(machine, f"qemu-system-{machine}")


def qemu_package() -> str:
    """Name of the package that has it, on Debian and Ubuntu."""
    machine = platform.machine()
    return {"x86_64": "qemu-system-x86", "aarch64": "qemu-system-arm", "ppc64le": "qemu-system-ppc"}.get(
        machine, "qemu-system"
    )


def kernel(host: Host) -> Kernel:
    """The kernel that the appliance will have; raises BadRequestError when it has none, or may not read it.

    supermin is asked: it takes the newest that has its modules, without regard to who may read it.
    """
    supermin = host.require("supermin", "supermin")
    with tempfile.TemporaryDirectory(prefix="supermin-", dir=host.tmpdir) as directory:
        description = os.path.join(directory, "supermin.d")
        os.mkdir(description)
        with open(os.path.join(description, "hostfiles"), "w", encoding="ascii") as file:
            file.write("/etc/passwd\n")
        argv = [supermin, "--build", "-v", "-f", "ext2", "--host-cpu", platform.machine()]
        # That it then cannot fill so small an appliance is of no interest.
        argv += ["-o", os.path.join(directory, "appliance"), description]
        done = host.run(argv, environ={"TMPDIR": directory}, timeout=60)
    return picked(done.stdout + done.stderr)


def picked(said: str) -> Kernel:
    """The kernel that supermin says it picked; raises BadRequestError where it is of no use to this user."""
    found, modules = _PICKED.search(said), _MODULES.search(said)
    if found is None or modules is None:
        raise BadRequestError(failure.NO_KERNEL, failure.KERNEL_WAY_OUT)
    path = found[1]
    if not os.access(path, os.R_OK):
        raise BadRequestError(
            f"libguestfs takes the newest kernel, {path}, for its appliance, and this user may not read it",
            failure.KERNEL_WAY_OUT,
        )
    return Kernel(path, modules[1])


def network(host: Host, program: str) -> Network:
    """The network that virt-customize at the path ``program`` gives the appliance of a build by this user."""
    clients = dhcp_clients(host)
    if host.which(passt.PROGRAM) is None:
        return Network("slirp", "passt is not installed", clients)
    if not passt.known_to(passt.library(host, program)):
        return Network("slirp", "this version of libguestfs does not use passt", clients)
    if os.geteuid() == 0:
        return Network("slirp", "builds by root keep passt away from libguestfs", clients)
    if not passt.is_runnable(host):
        return Network("slirp", "passt does not run here", clients)
    return Network("passt", "libguestfs takes passt where it is installed", clients)


def dhcp_clients(host: Host) -> tuple[str, ...]:
    """The DHCP clients that come into the appliance: packages of its list that are installed on this host."""
    listed: set[str] = set()
    for pattern in _PACKAGE_LISTS:
        for path in glob.glob(pattern):
            with open(path, encoding="utf-8") as file:
                listed.update(file.read().split())
    return tuple(
        sorted({client for name, client in _DHCP_CLIENTS.items() if name in listed and host.which(client) is not None})
    )


def launch(host: Host, accelerator: str) -> float:
    """Start the appliance with an empty disk; returns the seconds that took, or raises a GoldsmithError."""
    program = host.require("virt-filesystems", "guestfs-tools")
    with tempfile.TemporaryDirectory(prefix="launch-", dir=host.tmpdir) as directory:
        disk = os.path.join(directory, "empty")
        with open(disk, "wb") as file:
            file.truncate(1024**2)
        began = time.monotonic()
        try:
            done = launching.run(
                host,
                [program, "--format=raw", "-a", disk, "--blkdevs"],
                environ=launch_environ(host, directory, accelerator, network=False),
                timeout=_LAUNCH_SECONDS,
            )
        except CommandError as error:
            raise CommandError(
                f"libguestfs' appliance did not start within {_LAUNCH_SECONDS} seconds",
                failure.SELF_TEST,
            ) from error
    if done.rc != 0 or not done.stdout.startswith("/dev/"):
        raise failure.not_launched("virt-filesystems", done.rc, done.stderr)
    return round(time.monotonic() - began, 1)
