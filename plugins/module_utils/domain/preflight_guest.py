# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the preflight: CPU time, iothreads, NUMA, the guest's CPUs, its network."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ..common.cpuset import CpuSet
from ..common.size import format_size
from .aspects import iothreads
from .aspects.clock import TICKPOLICIES
from .aspects.cpu import CUSTOM, HOST_PASSTHROUGH, MAXIMUM, topology_of
from .aspects.cputune import iothread_ids, vcpu_count
from .aspects.interfaces import interfaces, model_of
from .aspects.memory_backing import memory_of
from .aspects.numa import cells_of
from .model import Finding
from .places import DEFAULT, in_bytes
from .preflight_case import Case

_NO_POLICIES: t.Final = {
    # virDomainTimer checks of libvirt's qemu driver.
    "rtc": ("merge", "discard"),
    "pit": ("merge",),
    "kvmclock": TICKPOLICIES,
    "hypervclock": TICKPOLICIES,
}
_OF_CELLS: t.Final = (("numatune", "memnode"), ("cpu", "numa", "cell", "distances"))
_TAP = ("network", "bridge", "ethernet", "direct", "vdpa", "vhostuser")


def _shares(case: Case) -> Iterator[Finding]:
    knob = "cputune.shares"
    value, limits = case.values[knob], case.host.cpu_shares
    if isinstance(value, int) and limits is not None and not limits[0] <= value <= limits[1]:
        text = f"the cgroups of this host know shares from {limits[0]} to {limits[1]} only"
        yield from case.find("refuse", knob, text)


def _iothreads(case: Case) -> Iterator[Finding]:
    there = iothread_ids(case.after)
    used = iothreads.users(case.after, [number for number in iothread_ids(case.before) if number not in there])
    if used:
        text = f"{used}, which would go: give it another first, disks by their option iothread"
        yield from case.find("refuse", iothreads.KNOB, text)


def _nodes(case: Case) -> Iterator[Finding]:
    knob = "numa.memory.nodeset"
    nodes, mode = case.values[knob], case.values["numa.memory.mode"]
    if not isinstance(nodes, CpuSet):
        if list(case.after.all(*_OF_CELLS[0])):
            text = "the memory of single cells is bound besides (memnode): take that out by virsh edit first"
            yield from case.find("refuse", knob, text)
        automatic = case.after.attribute("placement", "numatune", "memory") == "auto"
        if mode != "strict" and not automatic:
            text = f"{mode} says how memory comes from nodes, and there is no nodeset"
            yield from case.find("refuse", ("numa.memory.mode", knob), text)
        return
    missing = nodes - CpuSet.of(case.host.nodes)
    if missing:
        known = CpuSet.of(case.host.nodes)
        yield from case.find("refuse", knob, f"the host has no NUMA node {missing}; it has {known}")
    empty = CpuSet.of(number for number in nodes.cpus & case.host.nodes.keys() if case.host.nodes[number].memory == 0)
    if empty:
        yield from case.find("refuse", knob, f"the NUMA nodes {empty} of the host have no memory")


def _cells(case: Case) -> Iterator[Finding]:
    knob = "numa.cells"
    cells = cells_of(case.after)
    if cells != cells_of(case.before) and any(list(case.before.all(*steps)) for steps in _OF_CELLS):
        text = "the definition says more of its cells (memnode, distances), which would no longer be right"
        yield from case.find("refuse", knob, f"{text}: change them all by virsh edit")
    if not cells:
        return
    inside = CpuSet.of(vcpu for cell in cells for vcpu in cell.vcpus.cpus)
    all_vcpus = CpuSet.of(range(vcpu_count(case.after)))
    if inside != all_vcpus:
        text = f"the cells have the vCPUs {inside}, and the domain has {all_vcpus}"
        yield from case.find("refuse", knob, f"{text}: libvirt would put the others where it likes")
    plugged = sum(
        size
        for target in case.after.all("devices", "memory", "target", "size")
        for size in [in_bytes(target.text or "", target.get("unit"))]
        if isinstance(size, int)
    )
    total, memory = sum(cell.memory for cell in cells) + plugged, memory_of(case.after)
    if total != memory and case.after.find("maxMemory") is None:
        text = f"the cells have {format_size(total)} of memory, and the domain has {format_size(memory)}"
        yield from case.find("refuse", knob, f"{text}: libvirt would change that without a word")


def _cpu(case: Case) -> Iterator[Finding]:
    mode = str(case.values["cpu.mode"])
    emulated = case.after.root.get("type") == "qemu"
    if mode == HOST_PASSTHROUGH and emulated:
        text = "the domain is emulated (type qemu) and not run by KVM: it cannot have the host's own CPU; use maximum"
        yield from case.find("refuse", "cpu.mode", text)
    if case.values["cpu.cache"] == "passthrough" and mode not in (HOST_PASSTHROUGH, MAXIMUM):
        text = f"the host's cache goes only with mode {HOST_PASSTHROUGH} or {MAXIMUM}, and not with {mode}"
        yield from case.find("refuse", ("cpu.cache", "cpu.mode"), text)
    model = mode.partition(" ")[2]
    if mode.startswith(CUSTOM) and case.host.cpu_models and model not in case.host.cpu_models:
        text = f"libvirt knows no CPU model {model}; virsh cpu-models {_arch(case)} lists them"
        yield from case.find("refuse", "cpu.mode", text)
    for knob, value in case.values.items():
        name = knob.partition("cpu.features.")[2]
        if not name or value == DEFAULT:
            continue
        if mode == DEFAULT:
            yield from case.find("refuse", knob, "features need a mode of the CPU, and the domain has none")
        elif name in case.host.unknown_features:
            text = f"libvirt knows no CPU feature {name}, and would not start the domain with any policy for it"
            yield from case.find("refuse", knob, f"{text}; its cpu_map lists them (/usr/share/libvirt/cpu_map)")
    topology = topology_of(case.after)
    if topology is not None and topology.vcpus != vcpu_count(case.after):
        text = f"{topology} is {topology.vcpus} vCPUs, and the domain has {vcpu_count(case.after)}"
        yield from case.find("refuse", "cpu.topology", text)


def _arch(case: Case) -> str:
    return case.after.attribute("arch", "os", "type") or "x86_64"


def _interfaces(case: Case) -> Iterator[Finding]:
    for mac, interface in interfaces(case.after).items():
        driver, queues = (case.values[f"interfaces.{mac}.{name}"] for name in ("driver", "queues"))
        for knob, value in ((f"interfaces.{mac}.driver", driver), (f"interfaces.{mac}.queues", queues)):
            if value == DEFAULT:
                continue
            kind, model = interface.get("type"), model_of(interface)
            if not str(model).startswith("virtio"):
                yield from case.find("refuse", knob, f"only the model virtio has that, and this one is {model}")
            elif kind not in _TAP:
                yield from case.find("refuse", knob, f"an interface of the type {kind} cannot have that")
        if driver == "vhost" and case.host.vhost_net is False:
            text = "the host has no /dev/vhost-net: load the kernel module vhost_net"
            yield from case.find("refuse", f"interfaces.{mac}.driver", text)
        if isinstance(queues, int) and queues > vcpu_count(case.after):
            yield from case.find("warn", f"interfaces.{mac}.queues", more_queues(vcpu_count(case.after)))


def more_queues(vcpus: int) -> str:
    """Why that many are of no use."""
    return f"a guest of {vcpus} vCPUs uses no more queues than that"


def _timers(case: Case) -> Iterator[Finding]:
    for timer, policies in _NO_POLICIES.items():
        knob = f"clock.{timer}.tickpolicy"
        value = str(case.values[knob])
        if value in policies:
            taken = ", ".join(policy for policy in TICKPOLICIES if policy not in policies) or "no tickpolicy at all"
            yield from case.find(
                "refuse", knob, f"libvirt's driver of QEMU does not take that for {timer}, but {taken}"
            )


CHECKS: t.Final = (_shares, _iothreads, _nodes, _cells, _cpu, _interfaces, _timers)
