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


@dataclass(frozen=True)
class Scheduling:
    policy: str
    """As sched(7) calls it, without its prefix."""
    priority: int
    """Of the realtime policies; 0 of the others."""


@dataclass(frozen=True)
class MemoryPlaces:
    """Where the memory of a process lies."""

    by_node: Mapping[int, int]
    """Bytes by NUMA node."""
    by_page_size: Mapping[int, int]
    """Bytes by size of the page."""


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
    for line in numa_maps.splitlines():
        match = re.search(r"\bkernelpagesize_kB=(\d+)", line)
        size = int(match[1]) * _KIB if match else 4096
        for node, pages in re.findall(r"\bN(\d+)=(\d+)", line):
            used = int(pages) * size
            by_node[int(node)] = by_node.get(int(node), 0) + used
            by_size[size] = by_size.get(size, 0) + used
    return MemoryPlaces(by_node, by_size)


def open_flags(fdinfo: str) -> list[str]:
    """Which of the flags that tell of caching a descriptor was opened with, of ``/proc/PID/fdinfo/FD``."""
    match = re.search(r"^flags:\s*([0-7]+)", fdinfo, re.MULTILINE)
    flags = int(match[1], 8) if match else 0
    # Their numbers are another on each architecture.
    return [name for name, bit in (("O_DIRECT", os.O_DIRECT), ("O_DSYNC", os.O_DSYNC)) if flags & bit]


def arguments(cmdline: bytes) -> tuple[str, ...]:
    """Of ``/proc/PID/cmdline``."""
    return tuple(part.decode("utf-8", "surrogateescape") for part in cmdline.rstrip(b"\0").split(b"\0"))


def cpuset_path(cgroup: str) -> str | None:
    """Of ``/proc/PID/task/TID/cgroup``: the thread's group, from the mount point of cgroup v2, or of v1's cpuset."""
    for line in cgroup.splitlines():
        number, controllers, path = line.split(":", 2)
        if "cpuset" in controllers.split(","):
            return f"cpuset{path}"
        if number == "0" and not controllers:
            return path.lstrip("/")
    return None
