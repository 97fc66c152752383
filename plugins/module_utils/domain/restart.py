# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restart makes of the knobs that wait for it, and which domains cannot have one. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ..host.model import HostFacts
from . import registry
from .model import Change, DomainPlan, Found, Pair, Status, Value
from .places import Place

_STILL = "the domain was started anew, and still has another value"
_RUNNING = "running"
_ENDS = (None, "destroy")


def hindrance(found: Found) -> str:
    """Why a running domain cannot be shut down and started again, a sentence without a full stop; empty if it can."""
    if found.state != _RUNNING:
        return (
            f"the domain is {found.state}, so that its guest cannot shut down; let it go on (virsh resume), or end it"
        )
    if found.managed_save:
        return "the domain has a managed save image, from which it would start; virsh managedsave-remove drops it"
    jobs = [] if found.live is None else list(found.live.all("devices", "disk", "mirror"))
    if jobs:
        return (
            "a job copies one of its disks (blockcopy), which would be lost; let it end, or abort it (virsh blockjob)"
        )
    action = None if found.live is None else found.live.root.findtext("on_poweroff")
    if action not in _ENDS:
        return f"the domain does not end when its guest shuts down: its on_poweroff is {action}"
    return ""


def foreseen(plan: DomainPlan, host: HostFacts) -> DomainPlan:
    """The plan with what a restart of the running domain adds to it."""
    now = dataclasses.replace(plan.found, live=plan.document or plan.found.persistent)
    return as_found(plan, now, host, restarted=True)


def as_found(plan: DomainPlan, now: Found, host: HostFacts, *, restarted: bool) -> DomainPlan:
    """The plan with what the domain has been found to run with, after it was changed."""
    named = [change.knob for change in plan.changes]
    values = {} if now.live is None else registry.read(now.live, named)
    places = {} if now.live is None else registry.places(now.live, named)
    told = []
    for change in plan.changes:
        live, status, reason = None, change.status, change.reason
        arrived = now.live is None or _has(change, values, places.get(change.knob), host)
        if now.live is not None:
            before = None if change.live is None else change.live.before
            # By the word of the definition, where libvirt has another one for the same of a running domain.
            after = change.persistent.after if arrived and change.persistent is not None else values.get(change.knob)
            live = None if before is None and change.knob not in values else Pair(before, after)
        if status == "pending_restart":
            status, reason = _after(change, arrived=arrived, restarted=restarted)
        told.append(dataclasses.replace(change, live=live, status=status, reason=reason))
    found = dataclasses.replace(plan.found, state=now.state)
    return dataclasses.replace(plan, found=found, changes=tuple(told), restarted=restarted)


def _has(change: Change, values: Mapping[str, Value], place: Place | None, host: HostFacts) -> bool:
    wanted = None if change.persistent is None else change.persistent.after
    value = values.get(change.knob)
    if place is None or wanted is None or value is None:
        return value == wanted
    return place.agrees(wanted, value, host.online)


def _after(change: Change, *, arrived: bool, restarted: bool) -> tuple[Status, str]:
    if arrived:
        return "applied", change.origin
    return "pending_restart", _STILL if restarted else change.reason
