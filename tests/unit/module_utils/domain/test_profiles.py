# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles: what they come to, what wins over them, and that the guide tells the same of them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.plan import plan_domain
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.profiles import PROFILES, profile_options
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.registry import wish_spec

from .sample import found, host, plan, statuses, wishes, xml

GUIDE = Path(__file__).parents[4] / "docs" / "domains.md"


def values(tuning: str) -> dict[str, t.Any]:
    return {change.knob: change.wished for change in plan(tuning, xml()).changes}


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_what_a_user_could_have_written(name: str) -> None:
    """The argument spec takes it, every value has a reason, and the domain can have it."""
    options = profile_options(name)
    (wish,) = wishes(str([{"domains": ["db-1"], **options}]))
    assert {key for key in wish if wish[key] is not None} == {"domains", *options}
    assert options.keys() <= wish_spec().keys()
    assert all(setting.reason.endswith(".") for setting in PROFILES[name])
    planned = plan(f"profile: {name}")
    assert not planned.refused and planned.changes
    assert {change.knob: change.wished for change in planned.changes} == values(str(options))


def test_the_same_wish_and_later_ones_win_knob_by_knob() -> None:
    told = values("{profile: database, disks: [{match: {target: vda}, cache: writeback}], balloon: {model: virtio}}")
    assert (told["disks.vda.cache"], told["balloon.model"]) == ("writeback", "virtio")
    assert told["memory_backing.nosharepages"] is True


@pytest.mark.parametrize("profile_first", [True, False])
def test_the_order_of_wishes_counts(profile_first: bool) -> None:
    order = ["{domains: [db-1], profile: realtime}", "{domains: [db-1], memory_backing: {locked: false}}"]
    asked = wishes(f"[{', '.join(order if profile_first else order[::-1])}]")
    told = {change.knob: change.wished for change in plan_domain(found(xml()), asked, host()).changes}
    assert told["memory_backing.locked"] is not profile_first


def test_a_domain_without_disks_has_a_profile_as_well() -> None:
    start, end = xml().index("<disk"), xml().rindex("</disk>") + len("</disk>")
    planned = plan("profile: throughput", xml()[:start] + xml()[end:])
    assert statuses(planned) == {"memory_backing.nosharepages": "applied"}


@pytest.mark.parametrize("name", PROFILES)
def test_the_guide_has_every_value_with_its_reason(name: str) -> None:
    text = GUIDE.read_text()
    section = text[text.index(f"### `{name}`") :].partition("\n##")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    words = {True: "true", False: "false"}
    assert rows == [
        f"| `{each.option}` | `{words.get(each.value, each.value)}` | {each.reason} |" for each in PROFILES[name]
    ]
