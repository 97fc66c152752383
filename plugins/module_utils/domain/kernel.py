# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel and QEMU really do, in the values of knobs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..common.cpuset import CpuSet
from ..host.processes import Process
from ..host.procfs import Scheduling
from .aspects.disks import targets
from .aspects.memory_backing import memory_of
from .document import Document
from .model import Value
from .places import DEFAULT, NONE, UNPINNED
from .qemu_arguments import DiskArguments, disks_of, has_device

_VCPU = re.compile(r"CPU (\d+)/")
_IOTHREAD = re.compile(r"IO iothread(\d+)")
_THREADS = (
    "cputune.vcpupin.",
    "cputune.emulatorpin",
    "cputune.iothreadpin.",
    "cputune.vcpusched.",
    "cputune.emulatorsched",
)
_NO_RIGHT = "this user may not look into QEMU's process: use become"
_QEMUS_DEFAULTS = {"cache": "writeback", "io": "threads"}
"""What QEMU does where the definition says ``default``."""


@dataclass(frozen=True)
class KernelView:
    """Values by knob, and why some could not be had."""

    values: Mapping[str, Value] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """By knob, sentences without a full stop."""
    allowed: Mapping[str, CpuSet] = field(default_factory=dict)
    """By knob of a pin, which CPUs the thread's cgroup allows."""
    undirect: Mapping[str, str] = field(default_factory=dict)
    """By knob of a cache, the file that QEMU should have opened with O_DIRECT, and has not."""


def nothing_known(knobs: Iterable[str], reason: str) -> KernelView:
    """For a host that cannot be looked into."""
    return KernelView(unavailable={knob: reason for knob in knobs if _can_be_seen(knob)})


def kernel_view(process: Process, live: Document) -> KernelView:
    """What a running domain's process shows."""
    values: dict[str, Value] = {}
    unavailable: dict[str, str] = {}
    allowed: dict[str, CpuSet] = {}
    undirect: dict[str, str] = {}
    for thread in process.threads:
        knob = _pin_knob(thread.name, thread.tid == process.pid)
        if knob is not None:
            values[knob] = thread.affinity
            if "iothread" not in knob:
                values[knob.replace("pin", "sched")] = _scheduler(thread.scheduling)
            if thread.cgroup_cpus is not None:
                allowed[knob] = thread.cgroup_cpus
    values["memory_backing.locked"] = process.locked >= memory_of(live)
    values["balloon.model"] = "virtio" if has_device(process.arguments, "virtio-balloon") else NONE
    if process.places is None:
        unavailable["memory_backing.hugepages"] = _NO_RIGHT
    else:
        sizes = [size for size in process.places.by_page_size if size > 2**16]
        values["memory_backing.hugepages"] = max(sizes, default=0) or NONE
    for target, disk in _disks(process, live).items():
        values.update(_disk_values(target, disk))
        path = disk.path or ""
        if disk.direct and "O_DIRECT" not in (process.files or {}).get(path, ("O_DIRECT",)):
            undirect[f"disks.{target}.cache"] = path
    return KernelView(values, unavailable, allowed, undirect)


def agrees(knob: str, live: Value, kernel: Value) -> bool:
    """Whether the kernel does what the running domain's definition says; pins as what they come down to."""
    name = knob.rpartition(".")[2]
    if live == DEFAULT and knob.startswith("disks."):
        return name not in _QEMUS_DEFAULTS or kernel == _QEMUS_DEFAULTS[name]
    if live == DEFAULT and knob == "memory_backing.hugepages":
        return kernel != NONE
    return live in (UNPINNED, kernel)


def _can_be_seen(knob: str) -> bool:
    seen = ("cache", "io", "iothread", "queues")
    return (
        knob.startswith(_THREADS)
        or knob in ("memory_backing.locked", "memory_backing.hugepages", "balloon.model")
        or (knob.startswith("disks.") and knob.rpartition(".")[2] in seen)
    )


def _pin_knob(thread: str, main: bool) -> str | None:
    """The knob that says where a thread of this name runs."""
    if main:
        return "cputune.emulatorpin"
    for pattern, knob in ((_VCPU, "vcpupin"), (_IOTHREAD, "iothreadpin")):
        match = pattern.match(thread)
        if match is not None:
            return f"cputune.{knob}.{match[1]}"
    return None


def _scheduler(found: Scheduling) -> str:
    """As the knob has it."""
    name = DEFAULT if found.policy == "other" else found.policy
    return f"{name} {found.priority}" if found.priority else name


def _disks(process: Process, live: Document) -> dict[str, DiskArguments]:
    """By target: libvirt names QEMU's devices after the aliases of the running definition."""
    by_alias = disks_of(process.arguments)
    found = {}
    for target, disk in targets(live).items():
        alias = disk.find("alias")
        name = None if alias is None else alias.get("name")
        if name in by_alias:
            found[target] = by_alias[name]
    return found


def _disk_values(target: str, disk: DiskArguments) -> dict[str, Value]:
    return {
        f"disks.{target}.cache": disk.cache,
        f"disks.{target}.io": disk.io,
        f"disks.{target}.iothread": NONE if disk.iothread is None else disk.iothread,
        f"disks.{target}.queues": DEFAULT if disk.queues is None else disk.queues,
    }
