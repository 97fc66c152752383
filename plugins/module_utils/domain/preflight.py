# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt would accept and cannot start, and what works but hurts; found before anything is written.

Pure: from the definition as it would become, and facts of the host.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ..common.cpuset import CpuSet
from ..common.size import format_size
from ..host.model import HostFacts
from . import registry
from .aspects.cputune import iothread_ids, vcpu_count
from .aspects.disks import bus_of, source_of, targets
from .aspects.memory_backing import FOR_QEMU_ITSELF, automatic_limit, memory_of
from .document import Document
from .model import Finding, Value
from .pages import HUGEPAGES, bound_nodes, pages_of, shortage, size_of
from .places import DEFAULT, NONE
from .preflight_case import Case
from .preflight_guest import CHECKS, more_queues

_DIRECT = ("none", "directsync")


def preflight(
    before: Document, after: Document, wished: Iterable[str], running: bool, host: HostFacts
) -> list[Finding]:
    """What is to be said of the wished knobs. Of what nobody asked to change nothing is said."""
    named = frozenset(wished)
    case = Case(before, after, named, running, host, registry.read(after, named))
    return [finding for check in _CHECKS for finding in check(case)]


def _pins(case: Case) -> Iterator[Finding]:
    for knob in sorted(case.wished):
        value = case.values[knob]
        if not knob.startswith("cputune.") or not isinstance(value, CpuSet):
            continue
        missing = value - case.host.online
        if missing:
            yield Finding(
                "refuse",
                knob,
                f"the host has no CPU {missing}, or it is offline: online are {case.host.online}",
            )
        isolated = value & case.host.isolated
        if len(isolated.cpus) > 1:
            yield Finding(
                "warn",
                knob,
                f"the CPUs {isolated} are isolated: the scheduler does not spread threads over them, and all that have "
                "this mask run on the first one; pin one to one",
            )


def _scheduling(case: Case) -> Iterator[Finding]:
    emulator = _cpus(case, "cputune.emulatorpin")
    for knob, value in case.values.items():
        if not knob.startswith(("cputune.vcpusched.", "cputune.emulatorsched")) or not _is_realtime(value):
            continue
        if case.host.no_realtime:
            yield from case.find("refuse", knob, case.host.no_realtime)
        pin = knob.replace("vcpusched", "vcpupin")
        shared = _cpus(case, pin) & emulator if pin != knob else emulator - emulator
        if shared:
            yield from case.find(
                "warn",
                (knob, pin, "cputune.emulatorpin"),
                f"this vCPU is scheduled by {value} and shares the CPUs {shared} with the emulator, which it starves: "
                "the guest may never boot; pin them apart",
            )


def _is_realtime(value: Value) -> bool:
    return str(value).startswith(("fifo ", "rr "))


def _cpus(case: Case, knob: str) -> CpuSet:
    value = registry.places(case.after)[knob].effective(case.values[knob], case.host.online)
    return value if isinstance(value, CpuSet) else case.host.online


def _hugepages(case: Case) -> Iterator[Finding]:
    knob = HUGEPAGES
    size = size_of(case.after, case.host)
    knobs = (knob, "numa.memory.nodeset", "numa.memory.mode")
    if size is None or not case.wished.intersection(knobs):
        return
    if knob in case.wished and all(size not in node.pages for node in case.host.nodes.values()):
        known = sorted({page for node in case.host.nodes.values() for page in node.pages})
        sizes = ", ".join(map(format_size, known)) or "none"
        yield Finding("refuse", knob, f"the host has no pages of {format_size(size)}; it has {sizes}")
        return
    if case.running and size_of(case.before, case.host) == size:
        # It has taken its pages already, and gives them back before it starts again.
        return
    lacking = shortage(case.host, size, bound_nodes(case.after), pages_of(case.after, size))
    if lacking:
        yield from case.find("refuse", knobs, lacking)


def _memory_limits(case: Case) -> Iterator[Finding]:
    limit, memory = case.values["memory_backing.hard_limit"], memory_of(case.after)
    locked = case.values["memory_backing.locked"]
    if isinstance(limit, int) and limit < memory:
        yield from case.find(
            "refuse",
            "memory_backing.hard_limit",
            f"{format_size(limit)} is less than the guest's memory of {format_size(memory)}: the kernel would kill "
            "QEMU; hard_limit: auto leaves room for QEMU as well",
        )
    enough = automatic_limit(case.after).value
    if isinstance(limit, int) and isinstance(enough, int) and memory <= limit < enough - FOR_QEMU_ITSELF:
        yield from case.find(
            "warn",
            "memory_backing.hard_limit",
            f"{format_size(limit)} may be too little for the guest's memory of {format_size(memory)} and QEMU's own: "
            f"the kernel would kill it; hard_limit: auto would be {format_size(enough)}",
        )
    most = case.host.memlock
    # With a limit QEMU may lock that much, whether its memory is locked or not.
    if most is not None and (limit > max(most, memory - 1) if isinstance(limit, int) else locked):
        yield from case.find(
            "refuse",
            ("memory_backing.locked", "memory_backing.hard_limit"),
            f"libvirtd cannot let QEMU lock that much: its own limit is {format_size(most)}, and it has not the right "
            "to lift it (CAP_SYS_RESOURCE), as in most containers; it has to where memory is locked or limited",
        )
    if not locked:
        return
    if limit == NONE:
        yield from case.find(
            "warn",
            "memory_backing.locked",
            "locked memory without hard_limit may grow without a limit, at the expense of the host; set hard_limit",
        )
    if case.values["balloon.model"] != NONE:
        yield from case.find(
            "warn",
            ("memory_backing.locked", "balloon.model"),
            "a balloon cannot give locked memory back to the host; balloon: {model: none} takes it out",
        )


def _balloon(case: Case) -> Iterator[Finding]:
    if case.values["balloon.model"] != NONE:
        return
    for name in ("autodeflate", "free_page_reporting", "stats_period"):
        if case.values[f"balloon.{name}"] not in (DEFAULT, NONE):
            yield from case.find("refuse", f"balloon.{name}", "the domain has no balloon; it needs model: virtio")


def _disks(case: Case) -> Iterator[Finding]:
    for target, disk in targets(case.after).items():
        values = {name: case.values[f"disks.{target}.{name}"] for name in ("cache", "io", "discard", "detect_zeroes")}
        cache_knob = f"disks.{target}.cache"
        yield from _direct(case, target, source_of(disk), values)
        if values["cache"] == "unsafe":
            text = "QEMU ignores the guest's flushes: a crash of the host leaves the disk corrupt"
            yield from case.find("warn", cache_knob, text)
        elif values["cache"] not in (*_DIRECT, DEFAULT):
            text = f"with cache {values['cache']} libvirt refuses live migration as unsafe, unless the storage is "
            yield from case.find("warn", cache_knob, f"{text}known to be coherent")
        if values["detect_zeroes"] == "unmap" and values["discard"] != "unmap":
            text = "detect_zeroes: unmap does no more than on unless discard is unmap as well"
            yield from case.find("warn", (f"disks.{target}.detect_zeroes", f"disks.{target}.discard"), text)
        yield from _virtio_only(case, bus_of(disk), target)


def _direct(case: Case, target: str, source: str | None, values: Mapping[str, Value]) -> Iterator[Finding]:
    cache_knob, io_knob = f"disks.{target}.cache", f"disks.{target}.io"
    if values["io"] == "native" and values["cache"] not in _DIRECT:
        yield from case.find(
            "refuse",
            (io_knob, cache_knob),
            f"io native needs O_DIRECT: cache none or directsync, and not {values['cache']}",
        )
    if values["cache"] in _DIRECT and source is not None and case.host.direct_io.get(source) is False:
        yield from case.find(
            "refuse",
            (cache_knob, io_knob),
            f"{source} cannot be opened with O_DIRECT, which cache {values['cache']} needs: move it to another file "
            "system, or choose writeback",
        )


def _virtio_only(case: Case, bus: str | None, target: str) -> Iterator[Finding]:
    for name in ("iothread", "queues"):
        knob = f"disks.{target}.{name}"
        value = case.values[knob]
        if not isinstance(value, int):
            continue
        if bus != "virtio":
            yield from case.find("refuse", knob, f"only disks of the bus virtio have that, and this one is of {bus}")
        elif name == "iothread" and value not in iothread_ids(case.after):
            ids = ", ".join(map(str, iothread_ids(case.after))) or "none"
            yield from case.find("refuse", knob, f"there is no iothread {value}: the domain has {ids}")
        elif name == "queues" and value > vcpu_count(case.after):
            yield from case.find("warn", knob, more_queues(vcpu_count(case.after)))


def _sharing(case: Case) -> Iterator[Finding]:
    if case.values["memory_backing.nosharepages"] is False:
        return
    if case.values["memory_backing.hugepages"] != NONE:
        yield from case.find(
            "warn",
            "memory_backing.nosharepages",
            "the host merges no huge pages anyway, so that nosharepages is without effect",
        )


_CHECKS: t.Final = (_pins, _scheduling, _hugepages, _memory_limits, _balloon, _disks, _sharing, *CHECKS)
