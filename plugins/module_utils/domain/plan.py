# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to become of a domain: a pure function, so that check mode reports what the run does."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..host.model import HostFacts
from . import registry
from .aspects import iothreads
from .document import Document
from .model import Change, DomainPlan, Finding, Found, Pair, Status, Value, Wished
from .pages import claim_of
from .places import Place
from .preflight import preflight
from .registry import with_threads
from .wishes import wished_knobs

_NEXT_START = "libvirt changes this with the next start of the domain only"
_TRANSIENT = (
    "the domain is transient: it has no definition for a next start, and libvirt cannot change this while it runs; "
    "define the domain first"
)
_NOT_LIVE = "the running domain does not have it"
_SAVED = (
    "the domain has a managed save image, and starts from that with the settings that are saved in it; "
    "virsh managedsave-remove drops it"
)


@dataclass(frozen=True)
class Task:
    """What is to be planned for one domain."""

    found: Found
    wished: Mapping[str, Wished]
    refused: Mapping[str, str] = field(default_factory=dict)
    """By knob, why it is refused whatever the host has."""


def wishes_task(found: Found, wishes: Sequence[Mapping[str, t.Any]]) -> Task:
    return Task(found, wished_knobs(wishes, found.name, found.uuid, found.document))


def plan_all(tasks: Mapping[str, Task], host: HostFacts) -> dict[str, DomainPlan]:
    """The plans of all domains of a call, by name: what one of them takes, the next ones lack."""
    plans = {}
    for name, task in tasks.items():
        plans[name] = plan_task(task, host)
        claim = claim_of(plans[name], host)
        if claim is not None:
            host = replace(host, claims=(*host.claims, claim))
    return plans


def plan_domain(found: Found, wishes: Sequence[Mapping[str, t.Any]], host: HostFacts) -> DomainPlan:
    """What the wishes come to for this domain, and what the host has against it."""
    return plan_task(wishes_task(found, wishes), host)


def plan_task(task: Task, host: HostFacts) -> DomainPlan:
    found, wished = task.found, task.wished
    document = found.document
    refused = {**task.refused, **dict(_not_for_transient(found, wished))}
    while True:
        wanted = {knob: wish for knob, wish in wished.items() if knob not in refused}
        after = _edited(document, wanted)
        there = registry.places(after, wanted)
        new = {knob: registry.aspect_of(knob).absent(knob, after) for knob in wanted if knob not in there}
        if not new:
            findings = preflight(document, after, wanted, found.live is not None, host)
            new = {finding.knob: finding.text for finding in findings if finding.level == "refuse"}
        if not new:
            break
        # Without what is refused, something else may lack what it needs.
        refused.update(new)
    views = _Views.of(found, after, host, wanted, wished)
    changes = [
        views.refusal(knob, wish, refused[knob]) if knob in refused else views.change(knob, wish)
        for knob, wish in wished.items()
    ]
    edited = any(change.persistent is not None and change.persistent.differs for change in changes)
    return DomainPlan(found, tuple(changes), tuple(_warnings(found, findings, bool(wished))), after if edited else None)


def _edited(document: Document, wanted: Mapping[str, Wished]) -> Document:
    after = with_threads(document, wanted).copy()
    # In the order of the aspects, not of the wishes: the definition must not depend on that.
    for knob, place in registry.places(after, wanted).items():
        if knob in wanted and place.read(after) != wanted[knob].value:
            place.write(after, wanted[knob].value)
    return after


def _not_for_transient(found: Found, wished: Mapping[str, Wished]) -> Iterator[tuple[str, str]]:
    if found.persistent is not None:
        return
    document = with_threads(found.document, wished)
    places = {**registry.places(document, wished), **registry.places(found.document, wished)}
    for knob, wish in wished.items():
        place = places.get(knob)
        if place is not None and place.read(found.document) != wish.value:
            obstacle = _TRANSIENT if place.live is None else _obstacle(found, place, wish.value, found.document)
            if obstacle is not None:
                yield knob, obstacle


def _obstacle(found: Found, place: Place, value: Value, running: Document) -> str | None:
    """Why the running domain cannot get a value now; None where it can."""
    if place.live is None:
        return _NEXT_START
    return found.live_obstacles.get(place.live.name) or place.obstacle(value, running)


@dataclass(frozen=True)
class _Views:
    """The values of a domain's knobs, in each of its definitions."""

    found: Found
    host: HostFacts
    after: Mapping[str, Value]
    persistent: Mapping[str, Value] | None
    live: Mapping[str, Value] | None
    live_places: Mapping[str, Place]

    @classmethod
    def of(
        cls,
        found: Found,
        after: Document,
        host: HostFacts,
        wanted: Mapping[str, Wished],
        named: Iterable[str],
    ) -> _Views:
        """What is wanted comes true; of all that is named the values are looked at."""
        running = found.live
        threads = wanted.get(iothreads.KNOB)
        # A thread that comes while the domain runs has its knobs at once.
        if (
            running is not None
            and threads is not None
            and _obstacle(found, iothreads.Threads(), threads.value, running) is None
        ):
            running = with_threads(running, wanted)
        return cls(
            found,
            host,
            registry.read(after, named),
            _values(
                found.persistent, None if found.persistent is None else with_threads(found.persistent, wanted), named
            ),
            _values(found.live, running, named),
            {} if running is None else registry.places(running, named),
        )

    def refusal(self, knob: str, wish: Wished, reason: str) -> Change:
        persistent, live = (None if view is None else view.get(knob) for view in (self.persistent, self.live))
        return Change(
            knob,
            wish.value,
            "refused",
            reason,
            # Another knob may have taken it along, as that of the balloon's model does.
            None if persistent is None else Pair(persistent, self.after.get(knob)),
            None if live is None else Pair(live, live),
        )

    def change(self, knob: str, wish: Wished) -> Change:
        value = self.after[knob]
        persistent = None if self.persistent is None else Pair(self.persistent[knob], value)
        edited = persistent is not None and persistent.differs
        if self.live is None or self.found.live is None:
            return Change(knob, wish.value, "applied" if edited else "already", wish.reason, persistent, None)
        origin = wish.reason
        place = self.live_places.get(knob)
        if place is None:
            return Change(knob, wish.value, "pending_restart", _NOT_LIVE, persistent, None, origin=origin)
        before = self.live[knob]
        wanted = place.effective(value, self.host.online)
        if place.agrees(value, before, self.host.online):
            status: Status = "applied" if edited else "already"
            return Change(knob, wish.value, status, wish.reason, persistent, Pair(before, before))
        obstacle = _obstacle(self.found, place, value, self.found.live)
        if place.live is None or obstacle is not None:
            reason = "; ".join(filter(None, (wish.reason, obstacle)))
            live = Pair(before, before)
            return Change(knob, wish.value, "pending_restart", reason, persistent, live, origin=origin)
        undo = self.found.in_effect.get(place.live.name) if isinstance(before, str) else None
        undo = place.effective(before, self.host.online) if undo is None else undo
        live = Pair(before, value)
        return Change(knob, wish.value, "applied_live", wish.reason, persistent, live, place.live, wanted, undo)


def _values(document: Document | None, prepared: Document | None, named: Iterable[str]) -> dict[str, Value] | None:
    """What a definition says, and of threads that only ``prepared`` has, that nothing is said of them."""
    if document is None or prepared is None:
        return None
    values = registry.read(document, named)
    return values if prepared is document else {**registry.read(prepared, named), **values}


def _warnings(found: Found, findings: Sequence[Finding], wished: bool) -> Iterator[str]:
    for finding in findings:
        if finding.level == "warn":
            yield f"{found.name}: {finding.knob}: {finding.text}"
    if found.managed_save and wished:
        yield f"{found.name}: {_SAVED}"
