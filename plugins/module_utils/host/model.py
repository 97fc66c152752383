# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a hypervisor before anything is changed on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..common.cpuset import CpuSet


@dataclass(frozen=True)
class Pages:
    """Memory pages of one size on one NUMA node."""

    total: int
    free: int | None
    """None where only libvirt was asked, whose capabilities do not tell it."""


@dataclass(frozen=True)
class Node:
    """A NUMA node of the host."""

    cpus: CpuSet
    pages: Mapping[int, Pages]
    """Huge pages by size in bytes."""
    memory: int | None = None
    """Bytes; None where it is not known."""


@dataclass(frozen=True)
class Claim:
    """Huge pages that a domain is going to take."""

    domain: str
    size: int
    """Bytes of a page."""
    nodes: CpuSet | None
    """The NUMA nodes that they have to be on; None for any."""
    pages: int


@dataclass(frozen=True)
class HostFacts:
    online: CpuSet
    nodes: Mapping[int, Node]
    default_page: int | None = None
    """Bytes of a huge page where nothing is said of its size; None where it is not known."""
    isolated: CpuSet = field(default_factory=lambda: CpuSet(frozenset()))
    """CPUs that the scheduler leaves alone (isolcpus)."""
    memlock: int | None = None
    """Bytes that libvirtd can let a domain lock; None where it can lift the limit, or where it is not known."""
    no_realtime: str = ""
    """Why libvirtd cannot give threads a realtime policy, a sentence without a full stop; empty where it can."""
    direct_io: Mapping[str, bool] = field(default_factory=dict)
    """By path of a disk: whether it can be opened with O_DIRECT. What could not be tried is missing."""
    cpu_shares: tuple[int, int] | None = None
    """The least and the most that its cgroups take; None where it is not known."""
    vhost_net: bool | None = None
    """Whether the kernel can serve virtio interfaces; None where it is not known."""
    cpu_models: frozenset[str] = frozenset()
    """The names of CPU models that libvirt knows; empty where it was not asked."""
    unknown_features: frozenset[str] = frozenset()
    """Of the CPU features that domains have or are to have, those that libvirt does not know."""
    claims: tuple[Claim, ...] = ()
    """What other domains get by the same call."""
    restricted: str = ""
    """Why all of this comes from libvirt's capabilities alone: a sentence without a full stop."""
