# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The QEMU processes of this machine, as its kernel sees them."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..common.cpuset import CpuSet
from . import procfs
from .cgroups import DomainGroup, ThreadGroup, domain_group, thread_group
from .procfs import MemoryPlaces, Scheduling


@dataclass(frozen=True)
class Thread:
    tid: int
    name: str
    """``CPU 0/KVM``, ``IO iothread1``, and so on."""
    affinity: CpuSet
    scheduling: Scheduling
    group: ThreadGroup = field(default_factory=ThreadGroup)


@dataclass(frozen=True)
class Process:
    """A running domain's QEMU."""

    pid: int
    arguments: tuple[str, ...]
    threads: tuple[Thread, ...]
    locked: int
    """Bytes that cannot be swapped out."""
    places: MemoryPlaces | None
    """None where this user may not know."""
    files: Mapping[str, tuple[str, ...]] | None
    """By path of what it has open, the flags that tell of caching; None where this user may not know."""
    group: DomainGroup = field(default_factory=DomainGroup)


def find_processes(uuids: Iterable[str], root: str = "/") -> dict[str, Process]:
    """The processes of domains by UUID, as QEMU's command line gives it.

    :arg root: where the file system begins that has /proc and /sys.
    """
    wanted = set(uuids)
    found = {}
    for directory in glob.glob(os.path.join(root, "proc", "[0-9]*")):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            with open(os.path.join(directory, "cmdline"), "rb") as file:
                arguments = procfs.arguments(file.read())
            uuid = _uuid(arguments)
            if uuid in wanted:
                found[uuid] = _process(directory, arguments, root)
    return found


def _uuid(arguments: tuple[str, ...]) -> str:
    """Behind ``-uuid``; empty for any other process."""
    return arguments[arguments.index("-uuid") + 1] if "-uuid" in arguments[:-1] else ""


def _process(directory: str, arguments: tuple[str, ...], root: str) -> Process:
    status = procfs.fields_of_status(_read(directory, "status"))
    numa_maps = _readable(directory, "numa_maps")
    return Process(
        int(os.path.basename(directory)),
        arguments,
        tuple(_threads(directory, root)),
        procfs.amount(status, "VmLck"),
        None if numa_maps is None else procfs.memory_places(numa_maps),
        _files(directory),
        domain_group(_readable(directory, "cgroup") or "", root),
    )


def _threads(directory: str, root: str) -> Iterator[Thread]:
    for task in sorted(glob.glob(os.path.join(directory, "task", "[0-9]*")), key=lambda path: int(path.split("/")[-1])):
        with contextlib.suppress(OSError):
            yield Thread(
                int(os.path.basename(task)),
                _read(task, "comm").strip(),
                procfs.affinity(procfs.fields_of_status(_read(task, "status"))),
                procfs.scheduling(_read(task, "stat")),
                thread_group(_readable(task, "cgroup") or "", root),
            )


def _files(directory: str) -> dict[str, tuple[str, ...]] | None:
    found: dict[str, tuple[str, ...]] = {}
    try:
        descriptors = os.listdir(os.path.join(directory, "fd"))
    except OSError:
        return None
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            path = os.readlink(os.path.join(directory, "fd", descriptor))
            if path.startswith("/"):
                flags = procfs.open_flags(_read(directory, "fdinfo", descriptor))
                found[path] = tuple(flags)
    return found


def _read(*path: str) -> str:
    with open(os.path.join(*path), encoding="utf-8", errors="replace") as file:
        return file.read()


def _readable(*path: str) -> str | None:
    try:
        return _read(*path)
    except OSError:
        return None
