# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the host has the huge pages that domains are going to take, alone and together. Pure."""

from __future__ import annotations

from ..common.cpuset import CpuSet
from ..common.size import format_size
from ..host.model import Claim, HostFacts
from . import registry
from .aspects.memory_backing import memory_of
from .document import Document
from .model import DomainPlan
from .places import DEFAULT

HUGEPAGES = "memory_backing.hugepages"


def bound_nodes(document: Document) -> CpuSet | None:
    """The NUMA nodes that the memory has to come from; None where any will do."""
    nodes = document.attribute("nodeset", "numatune", "memory")
    mode = document.attribute("mode", "numatune", "memory")
    return CpuSet.parse(nodes, "nodeset") if nodes is not None and mode in (None, "strict", "restrictive") else None


def size_of(document: Document, host: HostFacts) -> int | None:
    """Bytes of the huge pages that a domain is to have; None where it has none, several sizes, or an unknown one."""
    size = registry.read(document, (HUGEPAGES,))[HUGEPAGES]
    if size == DEFAULT:
        return host.default_page
    return size if isinstance(size, int) else None


def pages_of(document: Document, size: int) -> int:
    return (memory_of(document) + size - 1) // size


def shortage(host: HostFacts, size: int, bound: CpuSet | None, needed: int) -> str:
    """Why the pages do not suffice, a sentence without a full stop; empty where they do."""
    free = {
        number: node.pages[size].total if node.pages[size].free is None else node.pages[size].free or 0
        for number, node in host.nodes.items()
        if size in node.pages
    }
    everywhere = frozenset(free)
    own = everywhere if bound is None else everywhere & bound.cpus
    claims = {
        claim: everywhere if claim.nodes is None else everywhere & claim.nodes.cpus
        for claim in host.claims
        if claim.size == size
    }
    # What is bound to some nodes may still leave too little on all of those that somebody else may use as well.
    for nodes in sorted({own, everywhere, *(nodes for nodes in claims.values() if own < nodes)}, key=sorted):
        others = [claim for claim, theirs in claims.items() if theirs <= nodes]
        taken = sum(claim.pages for claim in others)
        here = sum(free[number] for number in nodes)
        if needed + taken > here:
            whole = nodes == everywhere and bound is None
            where = "the host" if whole else f"the NUMA nodes {CpuSet(nodes) if nodes else bound}, which the domain is"
            told = where if whole else f"{where} bound to,"
            text = f"the domain needs {needed} pages of {format_size(size)}, and {told} has {here} that are free"
            if taken:
                names = ", ".join(claim.domain for claim in others[:5]) + (", …" if len(others) > 5 else "")
                text += f", of which {names} of the same call get {taken}"
            return f"{text}: provide more of them, or take guests away"
    return ""


def claim_of(plan: DomainPlan, host: HostFacts) -> Claim | None:
    """The pages that a domain is to get by this call, and does not have yet."""
    change = next((change for change in plan.changes if change.knob == HUGEPAGES), None)
    if change is None or change.status == "refused":
        return None
    document = plan.document or plan.found.document
    size = size_of(document, host)
    live = plan.found.live
    if size is None or (live is not None and size_of(live, host) == size):
        return None
    return Claim(plan.found.name, size, bound_nodes(document), pages_of(document, size))
