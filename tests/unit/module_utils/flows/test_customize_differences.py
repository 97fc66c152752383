# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of how the wanted image differs from the current one."""

from __future__ import annotations

import json
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.customize_differences import (
    described_steps,
    removed_steps,
    step_results,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.customize_plan import Plan
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.canonical import canonical_step
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import Step
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.flows.building import ScribblingEngine, Workshop

recipes = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12)


def written(names: list[str]) -> list[dict[str, t.Any]]:
    return [{"name": f"Call it {name}", "hostname": {"name": name}} for name in names]


def parsed(names: list[str]) -> tuple[Step, ...]:
    return parse_steps(written(names))


def canonical(steps: tuple[Step, ...]) -> list[dict[str, t.Any]]:
    return [canonical_step(step, {}, lambda secret: secret) for step in steps]


def plan_of(before: list[str] | None, after: list[str]) -> Plan:
    steps = parsed(after)
    record = None
    if before is not None:
        known = parsed(before)
        record = {"recipe": {"steps": canonical(known)}, "steps": described_steps(known)}
    plan = Plan({}, steps, {}, {"steps": canonical(steps)}, "sha256:0", "", "/g/a.qcow2", None, (), (), None, None)
    return replace(plan, current_record=record)


@settings(deadline=None)
@given(recipes, recipes)
def test_the_steps_that_did_not_change_are_a_common_part_of_both(before: list[str], after: list[str]) -> None:
    plan = plan_of(before, after)
    kept = [name for name, step in zip(after, step_results(plan, plan.steps)) if not step["changed"]]
    gone = {step["index"] for step in removed_steps(plan)}
    assert kept == [name for index, name in enumerate(before, start=1) if index not in gone]
    assert (kept == before == after) == (before == after)


@settings(deadline=None)
@given(recipes, st.integers(0, 12), st.sampled_from(["e", "f"]))
def test_a_step_put_between_others_is_the_only_one(before: list[str], place: int, name: str) -> None:
    after = [*before[:place], name, *before[place:]]
    plan = plan_of(before, after)
    assert [step["index"] for step in step_results(plan, plan.steps) if step["changed"]] == [
        min(place, len(before)) + 1
    ]
    assert removed_steps(plan) == []
    longer, shorter = after, before
    back = plan_of(longer, shorter)
    assert not any(step["changed"] for step in step_results(back, back.steps))
    assert [step["name"] for step in removed_steps(back)] == [f"Call it {name}"]


@settings(deadline=None)
@given(recipes)
def test_without_a_record_everything_is_new(after: list[str]) -> None:
    plan = plan_of(None, after)
    assert all(step["changed"] for step in step_results(plan, plan.steps))
    assert removed_steps(plan) == []


CASES: list[tuple[dict[str, t.Any], list[str], str]] = [
    (
        {"steps": written(["a", "n", "b"])},
        ["steps"],
        "web would be built: steps differ (new or changed: 2 hostname: Call",
    ),
    ({"steps": written(["b"])}, ["steps"], "steps differ (no longer as before: 1 hostname: Call it a)"),
    (
        {"steps": written(["a", "c"])},
        ["steps"],
        "(new or changed: 2 hostname: Call it c; no longer as before: 2 hostname: Call it b)",
    ),
    ({"size": "128M"}, ["size"], "web would be built: size differs"),
    ({"compression": "none", "force": True}, ["compression", "force"], "built: compression differs, force is set"),
    ({"name": "other"}, ["no image yet"], "other would be built: there is no image yet"),
    ({}, [], "web is up to date: web-20260905-"),
]


@pytest.mark.parametrize(("changed", "reason", "said"), CASES)
def test_the_reason_is_told(
    workshop: Workshop, engine: ScribblingEngine, changed: dict[str, t.Any], reason: list[str], said: str
) -> None:
    workshop.customize(steps=written(["a", "b"]))
    options = {"steps": written(["a", "b"]), **changed}
    predicted = workshop.customize(check_mode=True, **options)
    assert predicted["reason"] == reason
    assert said in predicted["msg"]
    built = workshop.customize(**options)
    assert built["reason"] == reason
    assert built["msg"] == predicted["msg"].replace("would be", "was")
    assert built["steps"] == predicted["steps"]
    assert built["steps_removed"] == predicted["steps_removed"]


def test_another_base_is_a_reason(workshop: Workshop, engine: ScribblingEngine) -> None:
    workshop.customize()
    with workshop.base.open("r+b") as file:
        file.seek(0, 2)
        file.write(bytes(65536))
    assert workshop.customize(check_mode=True)["reason"] == ["base"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"recipe": {"steps": [], "schema": 1}}, ["schema"]),
        (None, ["no build record"]),
    ],
)
def test_records_of_other_versions(
    workshop: Workshop, engine: ScribblingEngine, damage: dict[str, t.Any] | None, reason: list[str]
) -> None:
    record = Path(workshop.customize()["record"])
    record.write_text("" if damage is None else json.dumps({**json.loads(record.read_text()), **damage}))
    predicted = workshop.customize("other", check_mode=True, size="128M")
    assert predicted["reason"] == reason
    assert workshop.customize("other", size="128M")["reason"] == reason


def test_names_stand_beside_and_count_for_nothing(workshop: Workshop, engine: ScribblingEngine) -> None:
    built = workshop.customize(steps=written(["a", "b"]))
    assert built["diff"]["after"]["steps"][0] == {"name": "Call it a", "hostname": {"name": "a"}}
    unnamed = [{"hostname": {"name": "a"}}, {"hostname": {"name": "b"}}]
    assert not workshop.customize(steps=unnamed)["changed"]
    shown = workshop.customize(steps=unnamed[:1], check_mode=True)["diff"]
    assert shown["before"]["steps"][0] == {"name": "Call it a", "hostname": {"name": "a"}}
    assert shown["after"]["steps"] == unnamed[:1]
