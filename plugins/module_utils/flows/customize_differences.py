# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the wanted image differs from the current one, for people."""

from __future__ import annotations

import difflib
import itertools
import os
import typing as t
from collections.abc import Mapping, Sequence

from ..recipe.canonical import RECIPE_SCHEMA, document_digest
from ..recipe.model import Step
from .customize_plan import Plan

NO_IMAGE, NO_RECORD, LINK = "no image yet", "no build record", "link"
_SAID = {
    NO_IMAGE: "there is no image yet",
    NO_RECORD: "the current image has no build record",
    LINK: "the link does not lead to it",
    "schema": "a newer version of this collection carries steps out in another way",
    "base": "the base differs",
    "size": "size differs",
    "compression": "compression differs",
    "engine": "engine differs",
    "max_age": "the image is older than max_age",
    "force": "force is set",
    "audit": "it has not been audited yet",
    "boot": "it has not been booted yet",
}


def reasons(plan: Plan) -> list[str]:
    """Why the run changes something; the words that the module returns. Empty where it does not."""
    found = [] if plan.linked else _differences(plan)
    if not found and not plan.stale and not plan.linked:
        found = [NO_IMAGE if plan.published is None else LINK]
    return [*found, *(plan.lacking if plan.published is not None else plan.stale)]


def _differences(plan: Plan) -> list[str]:
    """How the image that the link leads to differs from the wanted one."""
    if plan.current is None or not os.path.lexists(plan.current):
        return [] if plan.newest is not None else [NO_IMAGE]
    record = plan.current_record
    if record is None:
        return [NO_RECORD]
    known = record["recipe"]
    if known.get("schema") != RECIPE_SCHEMA:
        # Its steps meant something else, if only their defaults.
        return ["schema"]
    found = [] if record["base"]["digest"] == plan.base["digest"] else ["base"]
    found += [] if known["steps"] == plan.recipe["steps"] else ["steps"]
    return found + [part for part in ("size", "compression", "engine") if known.get(part) != plan.recipe[part]]


def step_results(plan: Plan, steps: Sequence[Step]) -> list[dict[str, t.Any]]:
    """For the result: every step, whether it is left out, and whether it differs from the current image's."""
    meant = {step.index: number for number, step in enumerate(plan.steps)}
    wanted = [document_digest(step) for step in plan.recipe["steps"]]
    same = {ours for dummy, ours in _same_steps(plan, wanted)}
    results = []
    for step in steps:
        number = meant.get(step.index)
        results.append(
            {
                "index": step.index,
                "step": step.kind.name,
                "name": step.name,
                "digest": None if number is None else wanted[number],
                "changed": number is not None and number not in same,
                "skipped": number is None,
            }
        )
    return results


def removed_steps(plan: Plan) -> list[dict[str, t.Any]]:
    """For the result: the steps of the current image that have no like in the wanted one."""
    same = {theirs for theirs, dummy in _same_steps(plan, [document_digest(step) for step in plan.recipe["steps"]])}
    return [described for number, described in enumerate(_recorded_steps(plan)) if number not in same]


def _same_steps(plan: Plan, wanted: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of positions of steps, in the current image's recipe and in the wanted one, that did not change."""
    recorded = [] if plan.current_record is None else plan.current_record["recipe"]["steps"]
    known = [document_digest(step) for step in recorded]
    # What both begin and end with is put aside first, because the matcher takes the longest part, wherever it is.
    begin = _common(known, wanted)
    end = _common(known[begin:][::-1], wanted[begin:][::-1])
    inner = known[begin : len(known) - end], wanted[begin : len(wanted) - end]
    blocks = difflib.SequenceMatcher(None, *inner, autojunk=False).get_matching_blocks()
    same = [(number, number) for number in range(begin)]
    same += [(begin + block.a + at, begin + block.b + at) for block in blocks for at in range(block.size)]
    return same + [(len(known) - at, len(wanted) - at) for at in range(end, 0, -1)]


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """How many elements both begin with."""
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, second))
    return len(list(pairs))


def _recorded_steps(plan: Plan) -> list[dict[str, t.Any]]:
    """Number, kind and name of each step of the current image."""
    if plan.current_record is None:
        return []
    steps = plan.current_record["recipe"]["steps"]
    described = plan.current_record.get("steps") or []
    if len(described) == len(steps):
        return [{key: step.get(key) for key in ("index", "step", "name")} for step in described]
    return [{"index": number, "step": next(iter(step)), "name": ""} for number, step in enumerate(steps, start=1)]


def described_steps(steps: Sequence[Step]) -> list[dict[str, t.Any]]:
    """For the record, beside the canonical steps: what decides nothing."""
    return [{"index": step.index, "step": step.kind.name, "name": step.name} for step in steps]


def diff(plan: Plan) -> dict[str, t.Any]:
    """The current image's recipe and the wanted one, for ``--diff``; steps with their names beside."""
    before: dict[str, t.Any] = {}
    if plan.current is not None:
        before["current"] = os.path.basename(plan.current)
    if plan.current_record is not None:
        before["base"] = plan.current_record["base"]["digest"]
        before.update(_named(plan.current_record["recipe"], _recorded_steps(plan)))
    if plan.path is not None:
        current = os.path.basename(plan.path)
    else:
        current = f"(not known before {plan.unknown or 'it is built'})"
    after = {"current": current, "base": plan.base["digest"], **_named(plan.recipe, described_steps(plan.steps))}
    return {"before": before, "after": after}


def _named(recipe: Mapping[str, t.Any], described: Sequence[Mapping[str, t.Any]]) -> dict[str, t.Any]:
    steps = [
        {"name": about["name"], **step} if about["name"] else dict(step)
        for step, about in zip(recipe["steps"], described)
    ]
    return {**recipe, "steps": steps}


def message(plan: Plan, name: str, steps: Sequence[Step], *, check_mode: bool) -> str:
    """The result in a sentence, without its full stop."""
    why = reasons(plan)
    if not why and plan.published is not None:
        return f"{name} is up to date: {os.path.basename(plan.published.path)}"
    said = ", ".join(_said_of_steps(plan, steps) if reason == "steps" else _SAID[reason] for reason in why)
    if plan.published is not None:
        if plan.linked:
            checked = "would be checked" if check_mode else "was checked"
            return f"{name} {checked}: {said}"
        done = "would be pointed to" if check_mode else "now leads to"
        return f"{name} {done} {os.path.basename(plan.published.path)}, which was built before: {said}"
    return f"{name} {'would be' if check_mode else 'was'} built: {said}"


def _said_of_steps(plan: Plan, steps: Sequence[Step]) -> str:
    changed = [_label(step) for step in step_results(plan, steps) if step["changed"]]
    removed = [_label(step) for step in removed_steps(plan)]
    said = [f"new or changed: {', '.join(changed)}"] if changed else []
    said += [f"no longer as before: {', '.join(removed)}"] if removed else []
    return f"steps differ ({'; '.join(said)})"


def _label(step: Mapping[str, t.Any]) -> str:
    return f"{step['index']} {step['step']}{': ' + step['name'] if step['name'] else ''}"
