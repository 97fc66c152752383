# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line of a domain's QEMU and its open files say, in the values of knobs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..common.cpuset import CpuSet
from ..host.processes import Process
from .aspects.cpu import CUSTOM, HOST_PASSTHROUGH, MAXIMUM, Topology
from .aspects.disks import targets
from .aspects.interfaces import interfaces
from .aspects.numa import Cell
from .document import Document
from .model import Value
from .pages import HUGEPAGES
from .places import DEFAULT, NONE
from .qemu_arguments import (
    DiskArguments,
    Options,
    device,
    disks_of,
    guest_memory,
    interfaces_of,
    is_on,
    options,
)
from .registry import read

_MODES = {"host": HOST_PASSTHROUGH, "max": MAXIMUM}
_SOURCES = {"memory-backend-ram": "anonymous", "memory-backend-file": "file", "memory-backend-memfd": "memfd"}
_DISKS = ("cache", "io", "discard", "detect_zeroes", "error_policy", "iothread", "queues")
_LATER = "it was plugged in, or got another source, after QEMU was started, whose command line does not tell of that"


@dataclass
class Seen:
    values: dict[str, Value] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    """By knob, why the command line does not tell it."""
    remarks: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By knob, what is not as the command line says: the name of a drift, and its reason."""


def seen(process: Process, live: Document) -> Seen:
    """By knob of the running definition."""
    found = Seen()
    for look in (_cpu, _cells, _memory, _balloon, _clock):
        found.values.update(look(process.arguments, live))
    _disks(found, process, live)
    _interfaces(found, process, live)
    return found


def _cpu(arguments: tuple[str, ...], dummy: Document) -> Iterator[tuple[str, Value]]:
    for cpu in options(arguments, "-cpu"):
        model = cpu["driver"]
        yield "cpu.mode", _MODES.get(model, f"{CUSTOM} {model}")
        yield "cpu.cache", _cache(cpu)
        for name, value in cpu.items():
            if value in ("on", "off") and name not in ("l3-cache", "host-cache-info"):
                yield f"cpu.features.{name}", "require" if value == "on" else "disable"
    for smp in options(arguments, "-smp"):
        levels = [int(smp.get(name, 1)) for name in ("sockets", "dies", "cores", "threads", "clusters")]
        if "sockets" in smp:
            yield "cpu.topology", str(Topology(*levels))


def _cache(cpu: Options) -> str:
    if is_on(cpu.get("host-cache-info")):
        return "passthrough"
    return {"on": "emulate", "off": "disable"}.get(cpu.get("l3-cache", ""), DEFAULT)


def _cells(arguments: tuple[str, ...], dummy: Document) -> Iterator[tuple[str, Value]]:
    sizes = {str(memory["id"]): str(memory.get("size")) for memory in guest_memory(arguments)}
    cells = []
    for node in options(arguments, "-numa"):
        if node["driver"] == "node":
            size = sizes.get(str(node.get("memdev")), "")
            if not size.isdecimal():
                # Written in another way: nothing is better than something wrong.
                return
            cells.append(str(Cell(CpuSet.parse_kernel(node.get("cpus", "")), int(size))))
    yield "numa.cells", "; ".join(cells) or NONE


def _memory(arguments: tuple[str, ...], live: Document) -> Iterator[tuple[str, Value]]:
    machine = next(options(arguments, "-machine"), {})
    yield "memory_backing.nosharepages", machine.get("mem-merge") == "off"
    parts = guest_memory(arguments)
    if not parts:
        return
    first = parts[0]
    # Files of huge pages are libvirt's way to give them, whatever the source; and it takes them all at once.
    huge = read(live)[HUGEPAGES] != NONE
    source = _SOURCES.get(str(first.get("qom-type", first.get("driver"))))
    if source is not None and not (huge and source == "file"):
        yield "memory_backing.source", source
    yield "memory_backing.access", "shared" if is_on(first.get("share")) else "private"
    if not huge:
        yield "memory_backing.allocation", "immediate" if is_on(first.get("prealloc")) else "ondemand"
    if source != "anonymous":
        yield "memory_backing.discard", all(is_on(part.get("discard-data")) for part in parts)


def _balloon(arguments: tuple[str, ...], dummy: Document) -> Iterator[tuple[str, Value]]:
    found = device(arguments, "virtio-balloon")
    yield "balloon.model", NONE if found is None else "virtio"
    if found is not None:
        for knob, name in (("autodeflate", "deflate-on-oom"), ("free_page_reporting", "free-page-reporting")):
            yield f"balloon.{knob}", "on" if is_on(found.get(name)) else "off"


def _clock(arguments: tuple[str, ...], dummy: Document) -> Iterator[tuple[str, Value]]:
    """What is not said is as the machine has it, which the definition does not tell either."""
    machine, cpu = (next(options(arguments, name), {}) for name in ("-machine", "-cpu"))
    hpet = "off" if "-no-hpet" in arguments else machine.get("hpet")
    for timer, value in (("hpet", hpet), ("kvmclock", cpu.get("kvmclock")), ("hypervclock", cpu.get("hv-time"))):
        if value in ("on", "off"):
            yield f"clock.{timer}.present", "yes" if value == "on" else "no"
    for rtc in options(arguments, "-rtc"):
        yield "clock.rtc.tickpolicy", "catchup" if rtc.get("driftfix") == "slew" else "delay"
    for setting in (value for name, value in zip(arguments, arguments[1:]) if name == "-global"):
        match = re.fullmatch(r"kvm-pit\.lost_tick_policy=(\w+)", setting)
        if match is not None:
            yield "clock.pit.tickpolicy", match[1]


def _disks(found: Seen, process: Process, live: Document) -> None:
    """libvirt names QEMU's devices after the aliases of the running definition."""
    by_alias = disks_of(process.arguments)
    for target, element in targets(live).items():
        alias, source = element.find("alias"), element.find("source")
        disk = None if alias is None else by_alias.get(alias.get("name", ""))
        # libvirt counts the sources of a domain, and gives no number twice.
        number = None if source is None else source.get("index")
        if disk is not None and (number is None or disk.node.startswith(f"libvirt-{number}-")):
            found.values.update(_disk(target, disk))
            path = disk.path or ""
            if disk.direct and "O_DIRECT" not in (process.files or {}).get(path, ("O_DIRECT",)):
                text = f"{path} is not open with O_DIRECT, although QEMU was told to"
                found.remarks[f"disks.{target}.cache"] = ("kernel_differs", text)
        elif disk is not None or alias is not None:
            found.unavailable.update({f"disks.{target}.{name}": _LATER for name in _DISKS})


def _disk(target: str, disk: DiskArguments) -> dict[str, Value]:
    return {
        f"disks.{target}.cache": disk.cache,
        f"disks.{target}.io": disk.io,
        f"disks.{target}.discard": disk.discard,
        f"disks.{target}.detect_zeroes": disk.detect_zeroes,
        f"disks.{target}.error_policy": disk.error_policy or DEFAULT,
        f"disks.{target}.iothread": NONE if disk.iothread is None else disk.iothread,
        f"disks.{target}.queues": DEFAULT if disk.queues is None else disk.queues,
    }


def _interfaces(found: Seen, process: Process, live: Document) -> None:
    by_mac = interfaces_of(process.arguments)
    for mac, element in interfaces(live).items():
        interface = by_mac.get(mac)
        model = element.find("model")
        if interface is not None:
            found.values[f"interfaces.{mac}.queues"] = interface.queues
            if interface.vhost is not None:
                found.values[f"interfaces.{mac}.driver"] = "vhost" if interface.vhost else "qemu"
        elif model is not None and str(model.get("type")).startswith("virtio"):
            found.unavailable.update({f"interfaces.{mac}.{name}": _LATER for name in ("driver", "queues")})
