# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the threads of a domain's QEMU show: where they run, how they are scheduled, and how much CPU time they get."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..common.cpuset import CpuSet
from ..host.cgroups import UNLIMITED
from ..host.processes import Process, Thread
from ..host.procfs import Scheduling
from .aspects.iothreads import KNOB as IOTHREADS
from .model import Value
from .places import DEFAULT

_EMULATOR = "cputune.emulatorpin"
_VCPU = (re.compile(r"CPU (\d+)/"), "cputune.vcpupin.")
_IOTHREAD = (re.compile(r"IO iothread(\d+)$"), "cputune.iothreadpin.")


def values(process: Process) -> dict[str, Value]:
    """By knob."""
    found: dict[str, Value] = {}
    vcpus: list[tuple[str, Thread]] = []
    for knob, thread in _pinned(process):
        found[knob] = thread.affinity
        if not knob.startswith(_IOTHREAD[1]):
            found[knob.replace("pin", "sched")] = _scheduler(thread.scheduling)
        if knob.startswith(_VCPU[1]):
            vcpus.append((knob.rpartition(".")[2], thread))
        elif knob == _EMULATOR:
            found.update(_bandwidth([("", thread)], "cputune.emulator_"))
    found[IOTHREADS] = sum(knob.startswith(_IOTHREAD[1]) for knob in found)
    found.update(_bandwidth(vcpus, "cputune."))
    if process.group.shares is not None:
        found["cputune.shares"] = process.group.shares
    return found


def allowed(process: Process) -> dict[str, CpuSet]:
    """By knob of a pin, which CPUs the thread's cgroup allows."""
    return {knob: thread.group.cpus for knob, thread in _pinned(process) if thread.group.cpus is not None}


def _pinned(process: Process) -> Iterator[tuple[str, Thread]]:
    """Each thread that a knob says something of, with the knob of its pin."""
    for thread in process.threads:
        if thread.tid == process.pid:
            yield _EMULATOR, thread
            continue
        for pattern, knob in (_VCPU, _IOTHREAD):
            match = pattern.match(thread.name)
            if match is not None:
                yield f"{knob}{match[1]}", thread


def _scheduler(found: Scheduling) -> str:
    """As the knob has it."""
    name = DEFAULT if found.policy == "other" else found.policy
    return f"{name} {found.priority}" if found.priority else name


def _bandwidth(threads: Sequence[tuple[str, Thread]], prefix: str) -> Iterator[tuple[str, Value]]:
    """libvirt gives all vCPUs the same."""
    for name in ("quota", "period"):
        numbers = [(vcpu, getattr(thread.group, name)) for vcpu, thread in threads]
        different = {number for dummy, number in numbers}
        if None in different or not numbers:
            continue
        if len(different) == 1:
            number = numbers[0][1]
            yield f"{prefix}{name}", DEFAULT if number == UNLIMITED else number
        else:
            yield f"{prefix}{name}", ", ".join(f"{number} for vCPU {vcpu}" for vcpu, number in numbers)
