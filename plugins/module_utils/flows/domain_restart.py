# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarting the domains that wait for it, once all of them are committed."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ..common.errors import BadRequestError, GoldsmithError
from ..common.host import Host
from ..domain.model import DomainPlan
from ..domain.restart import as_found, foreseen, hindrance
from ..host.model import HostFacts
from ..libvirt.domains import list_domains
from ..libvirt.power import restart
from .domain_read import Known, read_domain


def to_restart(host: Host, params: Mapping[str, t.Any], plans: Mapping[str, DomainPlan]) -> list[str]:
    """The domains that are to be restarted. Raises BadRequestError where it is known before that one cannot be."""
    if params["restart_timeout"] < 1:
        raise BadRequestError(f"restart_timeout is {params['restart_timeout']}", "Give seconds, a number from 1 on")
    if params["restart"] == "never":
        return []
    waiting = [name for name, plan in plans.items() if plan.restart_required]
    hindered = {name: why for name in waiting if (why := hindrance(plans[name].found))}
    if hindered and params["on_refused"] == "fail":
        raise BadRequestError(
            f"{len(hindered)} domains cannot be restarted, so that nothing was changed: "
            + "; ".join(f"{name}: {why}" for name, why in hindered.items()),
            "Do as it says, or let them wait with restart: never or on_refused: warn",
            domains={name: {**plan.result(), "restarted": False} for name, plan in plans.items()},
        )
    for name, why in hindered.items():
        host.warn(f"{name} is not restarted: {why}")
    return [name for name in waiting if name not in hindered]


def with_restarts(plans: Mapping[str, DomainPlan], names: Iterable[str], facts: HostFacts) -> dict[str, DomainPlan]:
    """The plans, with what restarts of these domains will add."""
    chosen = set(names)
    return {name: foreseen(plan, facts) if name in chosen else plan for name, plan in plans.items()}


def restart_domains(
    connection: t.Any,
    domains: Mapping[str, Known],
    plans: Mapping[str, DomainPlan],
    names: Sequence[str],
    params: Mapping[str, t.Any],
    facts: HostFacts,
) -> tuple[dict[str, DomainPlan], dict[str, GoldsmithError]]:
    """Restart one domain after the other.

    Returns their plans with what they then have, and the errors of those that could not be restarted, which the others
    have survived; both by name.
    """
    failed = {}
    for name in names:
        listed = domains[name].listed
        try:
            restart(connection, listed, params["restart_timeout"])
        except GoldsmithError as error:
            failed[name] = error
    if not names:
        return {}, {}
    try:
        found = _found_now(connection, domains, names)
    except GoldsmithError as error:
        # libvirt itself may be gone, and nobody knows what came of the restarts.
        found = {}
        failed = {name: failed.get(name, error) for name in names}
    come = {
        name: as_found(plans[name], found[name].found, facts, restarted=name not in failed)
        if name in found
        else plans[name]
        for name in names
    }
    for name, plan in come.items():
        still = [change.knob for change in plan.changes if change.status == "pending_restart"]
        if still and name not in failed:
            failed[name] = GoldsmithError(
                f"{name} was started anew, and has still other values of {', '.join(still)}: this host or its QEMU "
                "cannot give it what the definition says",
                "Take those wishes out, or every run restarts it in vain",
            )
    return come, failed


def _found_now(connection: t.Any, domains: Mapping[str, Known], names: Iterable[str]) -> dict[str, Known]:
    """As they were read again; one that is gone was told of when it could not be restarted."""
    by_uuid = {listed.uuid: listed for listed in list_domains(connection).values()}
    return {
        name: read_domain(by_uuid[domains[name].found.uuid], secrets=False)
        for name in names
        if domains[name].found.uuid in by_uuid
    }
