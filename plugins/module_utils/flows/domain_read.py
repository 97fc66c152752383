# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading domains and their host, for the modules that tune and audit them."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..common.cpuset import CpuSet
from ..domain import registry
from ..domain.aspects.cpu import features_of
from ..domain.aspects.disks import source_of, targets
from ..domain.document import Document
from ..domain.model import Found
from ..domain.wishes import is_meant, refuse_other_hypervisors, refuse_unknown
from ..host.facts import from_capabilities, from_sysfs
from ..host.model import HostFacts
from ..libvirt import live
from ..libvirt.bindings import LibvirtError, in_our_words, libvirt
from ..libvirt.connection import daemon_uid, is_local
from ..libvirt.cpus import cpu_models, unknown_features
from ..libvirt.domains import Definitions, Listed, list_domains, read_definitions

DEFAULT_URI = "qemu:///system"


@dataclass(frozen=True)
class Known:
    """A domain as libvirt has it, and as it was understood."""

    listed: Listed
    definitions: Definitions
    found: Found


def read_domains(
    connection: t.Any, selectors: Sequence[str], *, allow_empty: bool, secrets: bool, others: Sequence[str] = ()
) -> dict[str, Known]:
    """The domains that the selectors mean, by name. Raises BadRequestError for one that means none.

    :arg others: selectors that have to mean domains as well, which are not read.
    """
    listed = list_domains(connection)
    refuse_unknown([*selectors, *others], {name: domain.uuid for name, domain in listed.items()}, allow_empty)
    found = {}
    for name, domain in listed.items():
        if is_meant(selectors, name, domain.uuid):
            try:
                found[name] = read_domain(domain, secrets=secrets)
            except LibvirtError as error:
                # Undefined in this moment, it is one less that fits a pattern.
                if error.code != libvirt.VIR_ERR_NO_DOMAIN or {name, domain.uuid} & set(selectors):
                    raise
    return found


def read_domain(domain: Listed, *, secrets: bool) -> Known:
    definitions = read_definitions(domain, secrets=secrets)
    persistent = None if definitions.persistent is None else Document.parse(definitions.persistent)
    running = None if definitions.live is None else Document.parse(definitions.live)
    able = _ability(domain, running)
    found = Found(
        domain.name,
        domain.uuid,
        definitions.state,
        persistent,
        running,
        domain.managed_save,
        able.obstacles,
        able.in_effect,
    )
    refuse_other_hypervisors(found)
    return Known(domain, definitions, found)


def _ability(domain: Listed, running: Document | None) -> live.Ability:
    places = {} if running is None else registry.places(running)
    return live.ability(domain.handle, {place.live.name for place in places.values() if place.live is not None})


def read_host(connection: t.Any, asked: Sequence[tuple[Document, Iterable[str]]]) -> HostFacts:
    """Facts of the host that domains run on, as far as their definitions and the knobs that are wished need them."""
    documents = [document for document, dummy in asked]
    arches = {arch for document in documents for arch in [document.attribute("arch", "os", "type")] if arch}
    features = {name for document, knobs in asked for name in features_of(document, knobs)}
    models, unknown = cpu_models(connection, arches), unknown_features(connection, arches, features)
    with in_our_words("libvirt does not tell what it is connected to"):
        # Of an alias, what it stands for.
        uri = connection.getURI()
    if is_local(uri):
        files = sorted({path for document in documents for path in _files(document)})
        facts = from_sysfs(files, uid=daemon_uid(uri))
        return replace(facts, cpu_models=models, unknown_features=unknown)
    with in_our_words("the hypervisor's capabilities cannot be read"):
        capabilities = connection.getCapabilities()
        online = connection.getCPUMap()[1]
    facts = from_capabilities(
        capabilities,
        CpuSet.of(cpu for cpu, is_online in enumerate(online) if is_online),
        f"{uri} is not this host: what it could not start was looked for in libvirt's capabilities alone, which do not "
        "tell of free pages, file systems, limits and isolated CPUs",
    )
    return replace(facts, cpu_models=models, unknown_features=unknown)


def _files(document: Document) -> list[str]:
    sources = (source_of(disk) for disk in targets(document).values())
    return [source for source in sources if source is not None and source.startswith("/")]


def host_options() -> Mapping[str, t.Any]:
    """The options that every module for domains has."""
    return {"uri": {"type": "str", "default": DEFAULT_URI}}
