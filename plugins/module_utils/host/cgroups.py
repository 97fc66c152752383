# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cgroups that libvirt makes for a domain and its threads: version 1 and 2, with systemd and without it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from ..common.cpuset import CpuSet
from . import procfs

UNLIMITED = -1

_ROOT = "sys/fs/cgroup"
_CPUS = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
_NODES = ("cpuset.mems.effective", "cpuset.effective_mems", "cpuset.mems")
_EMULATOR = "emulator"
_OF_THREADS = (_EMULATOR, "vcpu", "iothread")
_NESTED = "libvirt"
"""Where systemd has a unit for the domain, libvirt's own groups are inside a group of this name."""
_ENDLESS = 2**62
"""Bytes from which on a limit of version 1 is none."""


@dataclass(frozen=True)
class ThreadGroup:
    """What the group of a thread allows it. None where the host has no such controller, or libvirt does not use it."""

    cpus: CpuSet | None = None
    nodes: CpuSet | None = None
    """NUMA nodes that memory may come from."""
    quota: int | None = None
    """Microseconds of CPU time in each period, or UNLIMITED."""
    period: int | None = None


@dataclass(frozen=True)
class DomainGroup:
    """What the group of a whole domain has. None where there is none."""

    shares: int | None = None
    memory: int | None = None
    """Bytes that it may use, or UNLIMITED."""


def thread_group(cgroup: str, root: str = "/") -> ThreadGroup:
    """Of ``/proc/PID/task/TID/cgroup``.

    :arg root: where the file system begins that has /sys.
    """
    cpuset, cpu = (_directory(cgroup, controller, root) for controller in ("cpuset", "cpu"))
    # The bandwidth of other groups, such as that of a user's session, is not libvirt's.
    ours = cpu is not None and os.path.basename(cpu).startswith(_OF_THREADS)
    quota, period = _bandwidth(cpu) if cpu is not None and ours else (None, None)
    return ThreadGroup(_cpu_list(cpuset, _CPUS), _cpu_list(cpuset, _NODES), quota, period)


def domain_group(cgroup: str, root: str = "/") -> DomainGroup:
    """Of ``/proc/PID/cgroup``, of the main thread."""
    cpu, memory = (_own(_directory(cgroup, controller, root)) for controller in ("cpu", "memory"))
    shares = [_number(cpu[-1], name) for name in ("cpu.shares", "cpu.weight")] if cpu else []
    # The least of what nested groups allow is what counts.
    limits = [limit for directory in memory for limit in [_memory(directory)] if limit is not None]
    finite = [limit for limit in limits if limit != UNLIMITED]
    return DomainGroup(
        next((number for number in shares if number is not None), None),
        min(finite, default=UNLIMITED) if limits else None,
    )


def _directory(cgroup: str, controller: str, root: str) -> str | None:
    """The thread's group of a controller, as a directory."""
    for path in procfs.cgroup_paths(cgroup, controller):
        directory = os.path.join(root, _ROOT, path)
        if os.path.isdir(directory):
            return directory
    return None


def _own(directory: str | None) -> list[str]:
    """The groups that libvirt has made for the domain, from the inner one to the outer one; none where it has none."""
    if directory is None:
        return []
    if os.path.basename(directory) == _EMULATOR:
        directory = os.path.dirname(directory)
    found = [directory]
    if os.path.basename(directory) == _NESTED:
        found.append(os.path.dirname(directory))
    return found if "qemu" in os.path.basename(found[-1]) else []


def _bandwidth(directory: str) -> tuple[int | None, int | None]:
    text = _text(directory, "cpu.max")
    if text is not None:
        quota, dummy, period = text.strip().partition(" ")
        return UNLIMITED if quota == "max" else _parsed(quota), _parsed(period)
    return _number(directory, "cpu.cfs_quota_us"), _number(directory, "cpu.cfs_period_us")


def _memory(directory: str) -> int | None:
    text = _text(directory, "memory.max")
    if text is not None and text.strip() == "max":
        return UNLIMITED
    number = _parsed(text or "") if text is not None else _number(directory, "memory.limit_in_bytes")
    return UNLIMITED if number is not None and number >= _ENDLESS else number


def _cpu_list(directory: str | None, names: Iterable[str]) -> CpuSet | None:
    for name in names if directory is not None else ():
        text = _text(directory or "", name)
        if text is not None and text.strip():
            return CpuSet.parse_kernel(text)
    return None


def _number(directory: str, name: str) -> int | None:
    return _parsed(_text(directory, name) or "")


def _parsed(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _text(directory: str, name: str) -> str | None:
    try:
        with open(os.path.join(directory, name), encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return None
