# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains of a hypervisor: which there are, what their definitions say, and defining them anew."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..common.errors import GoldsmithError
from .bindings import in_our_words, libvirt


class ChangedMeanwhileError(GoldsmithError):
    """Somebody else has changed a domain after it was read."""


@dataclass(frozen=True)
class Listed:
    """A domain, and what one call tells of all."""

    handle: t.Any
    """libvirt's own (``virDomain``)."""
    name: str
    uuid: str
    active: bool
    persistent: bool
    managed_save: bool


@dataclass(frozen=True)
class Definitions:
    """The XML of one domain, with its secrets."""

    state: str
    persistent: str | None
    """What it is started with; None for a transient domain."""
    live: str | None
    """What it runs with; None where it does not run."""


def list_domains(connection: t.Any) -> dict[str, Listed]:
    """Every domain by name, in four calls, however many there are."""
    with in_our_words("the domains cannot be listed"):
        listed = connection.listAllDomains(0)
        active, persistent, saved = (
            {domain.UUIDString() for domain in connection.listAllDomains(flag)}
            for flag in (
                libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE,
                libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT,
                libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE,
            )
        )
    found = {}
    for domain in listed:
        uuid = domain.UUIDString()
        found[domain.name()] = Listed(domain, domain.name(), uuid, uuid in active, uuid in persistent, uuid in saved)
    return dict(sorted(found.items()))


def read_definitions(domain: Listed, *, secrets: bool = True) -> Definitions:
    """Both definitions of a domain.

    :arg secrets: whether passwords of consoles are to be in them, without which defining it anew would lose them. A
        connection that may only read gives none.
    """
    flags = libvirt.VIR_DOMAIN_XML_SECURE if secrets else 0
    with in_our_words(f"the domain {domain.name} cannot be read", "It may have been undefined meanwhile: run again"):
        persistent = domain.handle.XMLDesc(flags | libvirt.VIR_DOMAIN_XML_INACTIVE) if domain.persistent else None
        live = domain.handle.XMLDesc(flags) if domain.active else None
        state = _STATES.get(domain.handle.state()[0], "unknown") if domain.active else "shutoff"
    return Definitions(state, persistent, live)


def redefine(connection: t.Any, domain: Listed, before: str, after: str, *, validate: bool) -> None:
    """Replace the persistent definition ``before`` by ``after``; see :func:`define`.

    Raises ChangedMeanwhileError where it is no longer the one that was read: libvirt itself would take any.
    """
    now = read_definitions(domain).persistent
    if now != before:
        raise ChangedMeanwhileError(
            f"the definition of {domain.name} was changed by somebody else after it was read", "Run again"
        )
    with in_our_words(f"the domain {domain.name} cannot be read"):
        # Undefined while it runs, it would become persistent again; started meanwhile, it would be taken for tuned.
        if not domain.handle.isPersistent() or bool(domain.handle.isActive()) != domain.active:
            raise ChangedMeanwhileError(
                f"{domain.name} was started, ended or undefined by somebody else after it was read", "Run again"
            )
    define(connection, domain.name, after, validate=validate)


def define(connection: t.Any, name: str, xml: str, *, validate: bool = False) -> None:
    """Define a domain.

    :arg validate: whether to check it against libvirt's schema, which takes several times as long as all the rest.
    """
    with in_our_words(f"libvirt does not take the new definition of {name}"):
        try:
            connection.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE if validate else 0)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_XML_INVALID_SCHEMA:
                raise
            # The schema has holes, in which a definition may lie that libvirt itself has written. What would get lost
            # is found when the definition is read back.
            connection.defineXMLFlags(xml, 0)


_STATES = {
    # virDomainState, whose numbers never change.
    1: "running",
    2: "running",
    3: "paused",
    4: "shutdown",
    5: "shutoff",
    6: "crashed",
    7: "pmsuspended",
}
