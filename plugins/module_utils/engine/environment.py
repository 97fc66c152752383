# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment in which tools of libguestfs are started, and what has to be there before."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping

from ..common.errors import BadRequestError
from ..common.host import Host
from . import failure

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
_SMP = 2
"""CPUs that make a launch shorter; more do not."""


def require_kernel() -> None:
    """supermin builds the appliance from a kernel of the host, which Ubuntu lets only root read."""
    if os.environ.get("SUPERMIN_KERNEL"):
        return
    kernels = glob.glob("/boot/vmlinuz-*") + glob.glob("/lib/modules/*/vmlinuz")
    if not any(os.access(kernel, os.R_OK) for kernel in kernels):
        raise BadRequestError(failure.NO_KERNEL, failure.KERNEL_WAY_OUT)


def require_plain_path(disk: str) -> None:
    if ":" in os.path.abspath(disk):
        raise BadRequestError(
            f"libguestfs cannot open {disk}, because of the colon in its path", "Choose another directory"
        )


def default_smp(accelerator: str) -> int:
    """Virtual CPUs of an appliance for which nobody asked for a number."""
    cpus = len(os.sched_getaffinity(0))
    return choose_smp(cpus, _running() if accelerator == "tcg" else 0)


def choose_smp(cpus: int, running: int) -> int:
    """As many as are free, of which more than :data:`_SMP` are of no use.

    Without KVM a CPU that waits for another runs all the time: on a busy host two are slower than one.
    """
    return max(1, min(_SMP, cpus - running))


def _running() -> int:
    """How many processes run on this host at the moment, beside this one."""
    try:
        with open("/proc/loadavg", encoding="ascii") as file:
            return int(file.read().split()[3].partition("/")[0]) - 1
    except (OSError, ValueError, IndexError):
        return 0


def launch_environ(host: Host, workdir: str, accelerator: str, network: bool) -> dict[str, str]:
    """Environment variables for libguestfs; makes what they name in ``workdir``, which is private."""
    temporary = os.path.join(os.path.abspath(workdir), "tmp")
    os.makedirs(temporary, mode=0o700, exist_ok=True)
    environ = {
        "LIBGUESTFS_BACKEND": "direct",
        "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg" if accelerator == "tcg" else "",
        # Both would fill the output with everything that is done, contents of files among it.
        "LIBGUESTFS_DEBUG": "0",
        "LIBGUESTFS_TRACE": "0",
        "TMPDIR": temporary,
        # TMPDIR would move the cached appliance too.
        "LIBGUESTFS_CACHEDIR": cache_directory(os.environ),
    }
    # virt-customize hands on the lower-case names alone.
    for name in _PROXIES:
        value = os.environ.get(name) or os.environ.get(name.upper())
        if value:
            environ[name] = value
    if network and os.geteuid() == 0 and host.which("passt"):
        # libguestfs prefers passt, which drops root's rights and then cannot write its pid file. Where `passt --help`
        # ends with neither 0 nor 1, libguestfs uses QEMU's own user network.
        environ["PATH"] = f"{_without_passt(workdir)}:{os.environ.get('PATH', os.defpath)}"
    return environ


def _without_passt(workdir: str) -> str:
    directory = os.path.join(os.path.abspath(workdir), "bin")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    with open(os.path.join(directory, "passt"), "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 2\n")
        os.fchmod(file.fileno(), 0o700)
    return directory


def cache_directory(environ: Mapping[str, str]) -> str:
    """Where libguestfs keeps its appliance from one launch to the next.

    As libguestfs itself has it, but for a TMPDIR that this user may not write: one that was inherited through become.
    """
    tmpdir = environ.get("TMPDIR", "")
    return environ.get("LIBGUESTFS_CACHEDIR") or (tmpdir if os.access(tmpdir, os.W_OK | os.X_OK) else "/var/tmp")
