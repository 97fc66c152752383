# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsing what /proc says of a process. Pure: each takes the text of a file; see proc(5)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..common.cpuset import CpuSet

_POLICIES = {0: "other", 1: "fifo", 2: "rr", 3: "batch", 5: "idle", 6: "deadline"}
_KIB = 1024
# Such as ``bind:0-1``, ``bind=static:0``, ``prefer (many):0``, ``weighted interleave:0-1``.
_POLICY = re.compile(r"[0-9a-f]+ (?:weighted )?(bind|prefer|interleave)(?: \(many\))?(?:=[a-z|]+)?:([0-9,-]+)")


@dataclass(frozen=True)
class Scheduling:
    policy: str
    """As sched(7) calls it, without its prefix."""
    priority: int
    """Of the realtime policies; 0 of the others."""


@dataclass(frozen=True)
class Bound:
    """Memory for which the kernel was given nodes (mbind)."""

    policy: str
    """``bind``, ``prefer`` or ``interleave``."""
    nodes: CpuSet
    by_node: Mapping[int, int]
    """Bytes by the NUMA node that they are on."""


@dataclass(frozen=True)
class MemoryPlaces:
    """Where the memory of a process lies."""

    by_node: Mapping[int, int]
    """Bytes by NUMA node."""
    by_page_size: Mapping[int, int]
    """Bytes by size of the page."""
    bound: tuple[Bound, ...] = ()
    """Of the parts that have a policy of their own, as a guest's memory has that is to come from some nodes."""


def fields_of_status(text: str) -> dict[str, str]:
    """``/proc/PID/status`` and its like, by the name before the colon."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name: value.strip() for name, value in pairs}


def affinity(status: Mapping[str, str]) -> CpuSet:
    """The CPUs that a thread may use."""
    return CpuSet.parse_kernel(status.get("Cpus_allowed_list", ""))


def amount(status: Mapping[str, str], name: str) -> int:
    """Bytes of a line such as ``VmLck: 12 kB``; 0 where there is none."""
    match = re.match(r"(\d+) kB", status.get(name, ""))
    return int(match[1]) * _KIB if match else 0


def scheduling(stat: str) -> Scheduling:
    """Of ``/proc/PID/task/TID/stat``, in which the name of the thread may hold blanks and parentheses."""
    fields = stat.rpartition(")")[2].split()
    # The fields 40 and 41; the first behind the name is the third.
    priority, policy = (int(fields[number - 3]) if len(fields) > number - 3 else 0 for number in (40, 41))
    return Scheduling(_POLICIES.get(policy, str(policy)), priority)


def memory_places(numa_maps: str) -> MemoryPlaces:
    """Of ``/proc/PID/numa_maps``."""
    by_node: dict[int, int] = {}
    by_size: dict[int, int] = {}
    bound: dict[tuple[str, CpuSet], dict[int, int]] = {}
    for line in numa_maps.splitlines():
        match = re.search(r"\bkernelpagesize_kB=(\d+)", line)
        size = int(match[1]) * _KIB if match else 4096
        policy = _POLICY.match(line)
        at_nodes = None if policy is None else bound.setdefault((policy[1], CpuSet.parse_kernel(policy[2])), {})
        for node, pages in re.findall(r"\bN(\d+)=(\d+)", line):
            used = int(pages) * size
            for sums, key in ((by_node, int(node)), (by_size, size), (at_nodes, int(node))):
                if sums is not None:
                    sums[key] = sums.get(key, 0) + used
    return MemoryPlaces(by_node, by_size, tuple(Bound(*key, sums) for key, sums in bound.items()))


def open_flags(fdinfo: str) -> list[str]:
    """Which of the flags that tell of caching a descriptor was opened with, of ``/proc/PID/fdinfo/FD``."""
    match = re.search(r"^flags:\s*([0-7]+)", fdinfo, re.MULTILINE)
    flags = int(match[1], 8) if match else 0
    # Their numbers are another on each architecture.
    return [name for name, bit in (("O_DIRECT", os.O_DIRECT), ("O_DSYNC", os.O_DSYNC)) if flags & bit]


def arguments(cmdline: bytes) -> tuple[str, ...]:
    """Of ``/proc/PID/cmdline``."""
    return tuple(part.decode("utf-8", "surrogateescape") for part in cmdline.rstrip(b"\0").split(b"\0"))


def cgroup_paths(cgroup: str, controller: str) -> list[str]:
    """Of ``/proc/PID/task/TID/cgroup``: where the thread's group of a controller may be, from /sys/fs/cgroup on.

    Version 1 mounts several controllers at one place, with or without a link of each name. Version 2 is one tree.
    """
    unified = []
    for line in cgroup.splitlines():
        number, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return [f"{controller}{path}", f"{controllers}{path}"]
        if number == "0" and not controllers:
            unified = [path.lstrip("/")]
    return unified
