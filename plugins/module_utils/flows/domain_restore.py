# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Undoing the last recorded change of each domain."""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..common.errors import BadRequestError
from ..domain.plan import Task
from ..domain.record import Record, undoing
from .domain_backup import newest, read_records
from .domain_read import Known


@dataclass(frozen=True)
class Restoring:
    tasks: Mapping[str, Task]
    records: Mapping[str, Record]
    """What is undone, by domain."""


def restoring(domains: Mapping[str, Known], directory: str) -> Restoring:
    """What undoes the newest change of each domain. Raises BadRequestError where there is none."""
    records = {name: newest(read_records(directory, known.found)) for name, known in domains.items()}
    found = {name: record for name, record in records.items() if record is not None}
    without = [name for name in domains if name not in found]
    if without:
        transient = [name for name in without if domains[name].found.persistent is None]
        why = f"; {', '.join(transient[:5])} is transient, and has no definition that was kept" if transient else ""
        raise BadRequestError(
            f"no change is recorded in {directory} of {', '.join(without[:20])}{why}",
            "Only what domain_tune has changed in a definition can be put back: leave such domains out, or give the "
            "backup_dir that it had; domains with no record stay as they are",
        )
    tasks: dict[str, Task] = {}
    for name, record in found.items():
        tasks[name] = _task(domains[name], record)
    return Restoring(tasks, found)


def _task(known: Known, record: Record) -> Task:
    if known.found.persistent is None:
        raise BadRequestError(
            f"{known.found.name} is transient now: it has no definition in which anything could be put back",
            "Define it first, or leave it out",
        )
    wished, refused = undoing(known.found, record)
    return Task(known.found, wished, refused)


def undone(record: Record, time: str, refused: Collection[str]) -> Record:
    """What is recorded of undoing it: a second run finds the values from before, and has nothing to do."""
    return Record(time, {knob: pair for knob, pair in record.knobs.items() if knob not in refused}, restored=True)


def selectors_of(params: Mapping[str, t.Any]) -> list[str]:
    """The domains that a call is about, of whichever state. Raises BadRequestError where it is about none."""
    domains, wishes = params["domains"], params["wishes"]
    if params["state"] == "present":
        if wishes is None:
            raise BadRequestError("state: present needs wishes", "Say what is asked of which domains")
        if domains is not None:
            raise BadRequestError("domains is for state: restored", "Say in each of the wishes which domains it is for")
    elif domains is not None and wishes is not None:
        raise BadRequestError("state: restored has both domains and wishes", "Leave out one of them")
    elif domains is None and wishes is None:
        raise BadRequestError("state: restored needs domains", "Say of which domains the last change is to be undone")
    named = {f"wishes[{at}].domains": wish["domains"] for at, wish in enumerate(wishes or [])}
    if domains is not None:
        named["domains"] = domains
    for option, selectors in named.items():
        if not selectors and not params["allow_empty"]:
            raise BadRequestError(
                f"{option} is empty", "Name domains or patterns, or say allow_empty: true if there may be none"
            )
    return list(dict.fromkeys(selector for selectors in named.values() for selector in selectors))
