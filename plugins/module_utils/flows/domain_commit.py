# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying plans out: definitions and live calls as one transaction."""

from __future__ import annotations

import contextlib
import signal
import threading
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..common.errors import GoldsmithError
from ..domain import registry
from ..domain.model import DomainPlan, worded
from ..libvirt import live
from ..libvirt.domains import Listed, define, read_definitions, redefine
from .domain_read import Known, read_domain

NOT_TAKEN_BACK = "not_taken_back"


class Transaction:
    """What was done, and how to take it back."""

    def __init__(self) -> None:
        self._undo: list[tuple[str, Callable[[], None]]] = []

    def done(self, domain: str, undo: Callable[[], None]) -> None:
        self._undo.append((domain, undo))

    def roll_back(self) -> dict[str, str]:
        """Take all back, the last first. Returns why some could not be, by domain: sentences without a full stop."""
        failures: dict[str, str] = {}
        while self._undo:
            domain, undo = self._undo.pop()
            try:
                undo()
            except GoldsmithError as error:
                failures.setdefault(domain, error.cause)
        return failures


def commit(connection: t.Any, work: Sequence[tuple[Known, DomainPlan]], *, atomic: bool) -> dict[str, GoldsmithError]:
    """Make the changes of every plan, and see that they are there.

    A domain that fails is put back as it was; with ``atomic`` so is every domain before it, and the error is raised.
    Returns the errors of the domains that failed, by name, which the others have survived. Errors have a detail
    ``not_taken_back``: the names of the domains that are still changed.
    """
    with _ended_in_order():
        return _commit(connection, work, atomic)


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """Who is told to end, by a time limit or a connection that broke, takes back what was done before."""

    def end(number: int, dummy: t.Any) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _commit(connection: t.Any, work: Sequence[tuple[Known, DomainPlan]], atomic: bool) -> dict[str, GoldsmithError]:
    failed: dict[str, GoldsmithError] = {}
    transaction = Transaction()
    validated: set[frozenset[str]] = set()
    for known, plan in work:
        if not atomic:
            transaction = Transaction()
        kind = _kind(plan)
        try:
            # What one domain's definition has shown to fit the schema does so in all others.
            _carry_out(connection, known, plan, transaction, validate=kind not in validated)
            validated.add(kind)
        except BaseException as error:
            left = transaction.roll_back()
            if not isinstance(error, GoldsmithError):
                raise
            told = _told(error, atomic, left)
            if atomic:
                raise told from error
            failed[known.found.name] = told
    return failed


def _kind(plan: DomainPlan) -> frozenset[str]:
    """Which elements and attributes change: the knobs, without the numbers of vCPUs and the names of disks."""
    changed = [change.knob.split(".") for change in plan.changes if change.changed]
    return frozenset(f"{names[0]}.{names[1] if names[0] == 'cputune' else names[-1]}" for names in changed)


def _carry_out(connection: t.Any, known: Known, plan: DomainPlan, transaction: Transaction, *, validate: bool) -> None:
    name, before = known.found.name, known.definitions.persistent
    if plan.document is not None and before is not None:
        redefine(connection, known.listed, before, plan.document.text(), validate=validate)
        ours: list[str | None] = []
        transaction.done(name, lambda: _put_back(connection, known.listed, ours, before))
        ours.append(read_definitions(known.listed).persistent)
    for change in plan.changes:
        if change.call is not None:
            asked, handle = change.call, known.listed.handle
            undo = live.undoing(asked.name, handle, asked.index, change.undo_value)
            if asked.name in live.OF_SEVERAL_PARTS:
                transaction.done(name, undo)
            live.call(asked.name, handle, asked.index, change.live_value)
            if asked.name not in live.OF_SEVERAL_PARTS:
                transaction.done(name, undo)
    _read_back(read_domain(known.listed, secrets=True), plan)


def _put_back(connection: t.Any, domain: Listed, ours: Sequence[str | None], before: str) -> None:
    """Unless somebody else has defined or undefined it since; ``ours`` is what libvirt made of our definition."""
    if ours and ours[0] is not None:
        redefine(connection, domain, ours[0], before, validate=False)
    else:
        define(connection, domain.name, before)


def _read_back(known: Known, plan: DomainPlan) -> None:
    """Raise GoldsmithError for a change that libvirt took and did not make."""
    found = known.found
    for document, view in ((found.persistent, "persistent"), (found.live, "live")):
        if document is None:
            continue
        places = registry.places(document, [change.knob for change in plan.changes])
        for change in plan.changes:
            pair = getattr(change, view)
            # Of the running domain only what was called for: its guest may change things as well.
            if pair is None or not (change.changed if view == "persistent" else change.call is not None):
                continue
            place = places.get(change.knob)
            value = None if place is None else place.read(document)
            expected = {pair.after, change.live_value} if view == "live" else {pair.after}
            if value not in expected:
                raise GoldsmithError(
                    f"libvirt took {change.knob} = {worded(pair.after)} of {found.name} without an error, and has now "
                    f"{worded(value)} ({view})",
                    "This libvirt may be too old for it, or somebody else has changed it in this moment",
                )


def _told(error: GoldsmithError, atomic: bool, left: Mapping[str, str]) -> GoldsmithError:
    """The error, and what became of the domains."""
    if left:
        reasons = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in _by_reason(left).items())
        fate = (
            f"Not all could be taken back: {reasons}. These are still changed: state: restored puts them back, or "
            "virsh define, with the definitions as they were in backup_dir"
        )
    else:
        fate = "All domains are as they were before" if atomic else "The domain is as it was before"
    told = ". ".join(filter(None, (error.way_out, fate)))
    details = {"changed": True} if left else {}
    return GoldsmithError(error.cause, told, **{**error.details, **details, NOT_TAKEN_BACK: sorted(left)})


def _by_reason(left: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, reason in left.items():
        found.setdefault(reason, []).append(name)
    return found
