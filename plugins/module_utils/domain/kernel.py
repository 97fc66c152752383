# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel and QEMU really do, in the values of knobs."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..common.cpuset import CpuSet
from ..host.processes import Process
from . import kernel_arguments, kernel_memory, kernel_threads
from .aspects.memory_backing import memory_of
from .document import Document
from .model import Value
from .pages import HUGEPAGES
from .places import DEFAULT, NONE, UNPINNED

CGROUPS: t.Final = (
    "cputune.shares",
    "cputune.quota",
    "cputune.period",
    "cputune.emulator_quota",
    "cputune.emulator_period",
    "memory_backing.hard_limit",
)
"""The knobs that are limits of cgroups."""

_NO_RIGHT = "this user may not look into QEMU's process: use become"
_NO_GROUP = "libvirt has no such cgroup for the domain, or this user may not read it"
_OF_NUMA_MAPS = (HUGEPAGES, "numa.memory.mode", "numa.memory.nodeset")
_QEMUS_DEFAULTS = {"cache": "writeback", "io": "threads"}
"""What QEMU does where the definition of a disk says ``default``."""
_UNSEEN = ("balloon.stats_period", "cpu.features.")
"""What libvirt tells QEMU once it runs, and features, which libvirt itself asks QEMU for."""
_SEEN_TIMERS = ("hpet.present", "kvmclock.present", "hypervclock.present", "rtc.tickpolicy", "pit.tickpolicy")
_LARGEST_PAGE = 2**16
"""Bytes. A limit of memory is a whole number of pages."""


@dataclass(frozen=True)
class KernelView:
    """Values by knob, and why some could not be had."""

    values: Mapping[str, Value] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """By knob, sentences without a full stop."""
    allowed: Mapping[str, CpuSet] = field(default_factory=dict)
    """By knob of a pin, which CPUs the thread's cgroup allows."""
    remarks: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By knob, what is not as QEMU was told: the name of a drift, and its reason."""


def nothing_known(knobs: Iterable[str], reason: str) -> KernelView:
    """For a host that cannot be looked into."""
    return KernelView(unavailable={knob: reason for knob in knobs if _can_be_seen(knob)})


def kernel_view(process: Process, live: Document) -> KernelView:
    """What a running domain's process shows."""
    threads = kernel_threads.values(process)
    memory = kernel_memory.values(process, live)
    arguments = kernel_arguments.seen(process, live)
    values: dict[str, Value] = {**arguments.values, **threads, **memory}
    unavailable = dict(arguments.unavailable)
    unavailable.update({knob: _NO_GROUP for knob in CGROUPS if knob not in values})
    if process.places is None:
        unavailable.update(dict.fromkeys(_OF_NUMA_MAPS, _NO_RIGHT))
    # Huge pages are never swapped out, and are not counted as locked.
    values["memory_backing.locked"] = process.locked > 0 and process.locked + kernel_memory.huge(process) >= memory_of(
        live
    )
    remarks = {**arguments.remarks, **kernel_memory.remarks(process, live)}
    return KernelView(values, unavailable, kernel_threads.allowed(process), remarks)


def agrees(knob: str, live: Value, kernel: Value) -> bool:
    """Whether the kernel does what the running domain's definition says; pins as what they come down to."""
    if live in (UNPINNED, kernel):
        return True
    aspect, dummy, rest = knob.partition(".")
    if live == DEFAULT:
        return _agrees_by_default(aspect, rest.rpartition(".")[2] or rest, kernel)
    if knob == HUGEPAGES and isinstance(live, str):
        # Pages of several sizes.
        return live != NONE and kernel != NONE
    if knob == "memory_backing.hard_limit" and isinstance(live, int) and isinstance(kernel, int):
        return 0 <= live - kernel < _LARGEST_PAGE
    # What libvirt has made of host-model is a model with a name.
    return knob == "cpu.mode" and live == "host-model" and str(kernel).startswith("custom ")


def _agrees_by_default(aspect: str, name: str, kernel: Value) -> bool:
    if aspect == "disks":
        return name not in _QEMUS_DEFAULTS or kernel == _QEMUS_DEFAULTS[name]
    if name == "hugepages":
        return kernel != NONE
    return aspect != "cputune" or name == "shares"


def _can_be_seen(knob: str) -> bool:
    aspect, dummy, rest = knob.partition(".")
    return rest in _SEEN_TIMERS if aspect == "clock" else not knob.startswith(_UNSEEN)
