# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which knobs a change has touched, written down beside the backup of the definition, and how it is undone. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..common.cpuset import CpuSet
from ..common.errors import BadRequestError
from . import registry
from .aspects import iothreads
from .document import Document
from .model import DomainPlan, Found, Pair, Value, Wished, worded
from .places import Place

VERSION = 1
_CPUS = "cpus"


@dataclass(frozen=True)
class Record:
    """One change of a domain's definition."""

    time: str
    """When it was made: ISO 8601, UTC."""
    knobs: Mapping[str, Pair]
    """Those whose value in the definition has changed, whether or not a wish named them."""
    restored: bool = False
    """Whether the change has been undone; the knobs then have the values from before."""

    def left(self) -> dict[str, Value | None]:
        """What each knob had when this was written."""
        return {knob: pair.before if self.restored else pair.after for knob, pair in self.knobs.items()}

    def encode(self) -> dict[str, t.Any]:
        knobs = {knob: {"before": _encoded(p.before), "after": _encoded(p.after)} for knob, p in self.knobs.items()}
        return {"version": VERSION, "time": self.time, "restored": self.restored, "knobs": knobs}

    @classmethod
    def decode(cls, document: t.Any, origin: str) -> Record:
        """Raises BadRequestError for what is no record of this collection."""
        try:
            if document["version"] != VERSION:
                raise ValueError(document["version"])
            knobs = {
                str(knob): Pair(_decoded(pair["before"]), _decoded(pair["after"]))
                for knob, pair in document["knobs"].items()
            }
            return cls(str(document["time"]), knobs, bool(document["restored"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadRequestError(
                f"{origin} is no record of a change that this version can read",
                "Move it away; the definition as it was is beside it, for virsh define",
            ) from error


def changed_knobs(plan: DomainPlan) -> dict[str, Pair]:
    """What a plan is going to change in the definition, whether or not a wish names it."""
    if plan.found.persistent is None or plan.document is None:
        return {}
    named = {*registry.places(plan.found.persistent), *registry.places(plan.document)}
    before, after = registry.read(plan.found.persistent, named), registry.read(plan.document, named)
    # Knobs come and go with iothreads.
    pairs = {knob: Pair(before.get(knob), after.get(knob)) for knob in {**before, **after}}
    return {knob: pair for knob, pair in pairs.items() if pair.differs}


def came_about(record: Record, found: Found) -> bool:
    """Whether the definition has what the record's change was to bring."""
    if found.persistent is None:
        return False
    values = registry.read(found.persistent, record.knobs)
    there = [values.get(knob) == value for knob, value in record.left().items()]
    # Definitions change as a whole: one knob tells it. What is undone may have been as it was before already.
    return all(there) if record.restored else any(there)


def undoing(found: Found, record: Record) -> tuple[dict[str, Wished], dict[str, str]]:
    """What undoes a change: the knobs that it touched as they were, and why some of them must not be put back."""
    reason = f"as it was before the change of {record.time}"
    wished = {knob: Wished(pair.before, reason) for knob, pair in record.knobs.items() if pair.before is not None}
    document = registry.with_threads(found.document, wished)
    places = registry.places(document, record.knobs)
    values = registry.read(found.document, record.knobs)
    refused: dict[str, str] = {}
    for knob, pair in record.knobs.items():
        now = values.get(knob)
        since = (
            f"domain_tune made it {worded(pair.after)} at {record.time}, and now it is {worded(now)}; change it by a "
            "wish instead"
        )
        if pair.before is None:
            if now not in (None, pair.after):
                refused[iothreads.KNOB] = f"somebody has changed {knob} since, which would go with its thread: {since}"
            continue
        place = places.get(knob)
        if place is None:
            # Whoever plans says why there is none.
            continue
        if now not in (pair.before, pair.after):
            refused[knob] = f"somebody has changed it since: {since}"
        elif now != pair.before and not _can_write(place, document, pair.before):
            refused[knob] = (
                f"it was {worded(pair.before)} before, which no wish can say; the definition as it was is in backup_dir"
            )
    return wished, refused


def expected(records: Iterable[Record]) -> dict[str, tuple[Value, str]]:
    """What each knob was left at by the last of the changes, the oldest first, that touched it, and when."""
    found: dict[str, tuple[Value, str]] = {}
    for record in records:
        for knob, value in record.left().items():
            found.pop(knob, None)
            if value is not None:
                found[knob] = (value, record.time)
    return found


def _can_write(place: Place, document: Document, value: Value) -> bool:
    """Whether a value that was read can be written: some definitions say more than a knob can."""
    copy = document.copy()
    try:
        place.write(copy, value)
    except ValueError:
        return False
    return place.read(copy) == value


def _encoded(value: Value | None) -> t.Any:
    return {_CPUS: str(value)} if isinstance(value, CpuSet) else value


def _decoded(value: t.Any) -> Value | None:
    if isinstance(value, dict):
        return CpuSet.parse(value[_CPUS], _CPUS)
    if value is not None and not isinstance(value, (str, int)):
        raise TypeError(value)
    return value
