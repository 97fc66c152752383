# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restart brings to the knobs that wait for it, as it is foreseen and as it is found."""

from __future__ import annotations

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.document import Document
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.model import DomainPlan, Pair
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.restart import as_found, foreseen, hindrance

from .sample import found, host, plan, statuses, xml

ASKED = "{memory_backing: {hard_limit: auto, nosharepages: true}, cputune: {emulatorpin: '1'}}"
KNOB = "memory_backing.nosharepages"


def waiting() -> DomainPlan:
    planned = plan(ASKED, xml(), xml())
    assert statuses(planned)[KNOB] == "pending_restart"
    return planned


def live(planned: DomainPlan, knob: str = KNOB) -> Pair | None:
    return next(change.live for change in planned.changes if change.knob == knob)


def test_what_is_foreseen_is_what_is_found_when_all_goes_well() -> None:
    planned = waiting()
    assert planned.document is not None
    told = foreseen(planned, host())
    now = found(xml(), planned.document.text())
    assert as_found(planned, now, host(), restarted=True).changes == told.changes
    assert statuses(told)[KNOB] == "applied" and live(told) == Pair(False, True)
    assert not told.restart_required and told.restarted and told.changed
    # How a value was found is still said.
    reasons = {change.knob: change.reason for change in told.changes}
    assert reasons[KNOB] == "" and reasons["memory_backing.hard_limit"].startswith("auto: ")


def test_a_value_that_has_not_arrived_goes_on_waiting() -> None:
    told = as_found(waiting(), found(xml(), xml()), host(), restarted=True)
    assert statuses(told)[KNOB] == "pending_restart" and live(told) == Pair(False, False)
    (reason,) = {change.reason for change in told.changes if change.knob == KNOB}
    assert "was started anew, and still has another value" in reason
    still = as_found(waiting(), found(xml(), xml()), host(), restarted=False)
    assert "with the next start" in next(change.reason for change in still.changes if change.knob == KNOB)


def test_a_domain_that_stayed_off_waits_for_nothing() -> None:
    told = as_found(waiting(), found(xml()), host(), restarted=False)
    assert statuses(told)[KNOB] == "applied" and live(told) is None and told.found.state == "shutoff"


@pytest.mark.parametrize(
    ("state", "action", "told"),
    [
        ("running", "", ""),
        ("running", "<on_poweroff>destroy</on_poweroff>", ""),
        ("running", "<on_poweroff>preserve</on_poweroff>", "its on_poweroff is preserve"),
        ("paused", "", "the domain is paused"),
        ("pmsuspended", "", "the domain is pmsuspended"),
    ],
)
def test_who_cannot_be_restarted(state: str, action: str, told: str) -> None:
    document = Document.parse(f"<domain><name>db-1</name>{action}</domain>")
    known = found(None)
    reason = hindrance(type(known)(known.name, known.uuid, state, document, document))
    assert told in reason and bool(told) == bool(reason)


def test_who_would_start_from_what_is_saved() -> None:
    copied = xml().replace("</disk>", "<mirror type='file' job='copy' file='/b'/></disk>", 1)
    assert "blockcopy" in hindrance(found(xml(), copied))
    assert "managed save image" in hindrance(found(xml(), xml(), managed_save=True))
