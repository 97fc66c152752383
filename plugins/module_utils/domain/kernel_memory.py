# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of the memory of a domain: limits, sizes of pages, and the NUMA nodes that it lies on."""

from __future__ import annotations

from collections.abc import Mapping

from ..common.cpuset import CpuSet
from ..common.size import format_size
from ..host.cgroups import UNLIMITED
from ..host.processes import Process
from .aspects.numa import RESTRICTIVE, STRICT
from .document import Document
from .model import Value
from .pages import HUGEPAGES
from .places import NONE

_HUGE = 2**16
"""Bytes; kernels of some machines have pages of this size for all."""
_MODES = {"bind": STRICT, "prefer": "preferred", "interleave": "interleave"}
_NODES = ("numatune", "memory")
_NODESET = "numa.memory.nodeset"


def values(process: Process, live: Document) -> dict[str, Value]:
    """By knob."""
    found: dict[str, Value] = {}
    if process.group.memory is not None:
        found["memory_backing.hard_limit"] = NONE if process.group.memory == UNLIMITED else process.group.memory
    if process.places is not None:
        sizes = [size for size in process.places.by_page_size if size > _HUGE]
        found[HUGEPAGES] = max(sizes, default=0) or NONE
        # Without it, cells may have nodes of their own, or libvirt follows numad.
        if live.attribute("nodeset", *_NODES) is not None:
            found.update(_of_nodes(process))
    return found


def huge(process: Process) -> int:
    """Bytes on huge pages; none where this user may not know."""
    sizes = {} if process.places is None else process.places.by_page_size
    return sum(taken for size, taken in sizes.items() if size > _HUGE)


def _of_nodes(process: Process) -> Mapping[str, Value]:
    bound = process.places.bound if process.places is not None else ()
    if not bound:
        # The kernel was not told of the guest's memory: what the threads may use is what counts.
        main = next((thread.group.nodes for thread in process.threads if thread.tid == process.pid), None)
        mode = {"numa.memory.mode": RESTRICTIVE}
        return mode if main is None else {**mode, _NODESET: main}
    return {
        "numa.memory.mode": ", ".join(sorted({_MODES[part.policy] for part in bound})),
        _NODESET: CpuSet.of(node for part in bound for node in part.nodes.cpus),
    }


def remarks(process: Process, live: Document) -> dict[str, tuple[str, str]]:
    """Whether the guest's memory lies elsewhere than it should: the name of a drift and its reason, by knob."""
    if process.places is None or live.attribute("nodeset", *_NODES) is None:
        return {}
    for part in process.places.bound:
        strays = {node: size for node, size in part.by_node.items() if node not in part.nodes.cpus}
        if strays:
            size, nodes = format_size(sum(strays.values())), CpuSet.of(strays)
            text = f"{size} of the guest's memory lie on the nodes {nodes}, and not on {part.nodes}"
            if part.policy == "prefer":
                return {_NODESET: ("hurts", f"{text}, which it prefers: every access is slower")}
            return {_NODESET: ("kernel_differs", text)}
    return {}
