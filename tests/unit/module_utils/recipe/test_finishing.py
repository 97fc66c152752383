# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What steps do when all of them are done."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import (
    FILE,
    Options,
    Step,
    StepKind,
    all_operations,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Operation, Run

LASTING = StepKind("lasting", "", {}, lambda _options: (Run("begin"),))


def _end(options: Options) -> tuple[Operation, ...]:
    return () if options.get("for_good") else (Run(f"end {options['src']}"),)


PASSING = StepKind("passing", "", {}, lambda _options: (Run("begin"),), finish=_end, files={"src": FILE})


@given(st.lists(st.sampled_from(["lasting", "passing", "for_good"]), max_size=8))
def test_what_is_for_the_build_only_ends_in_reverse_order(kinds: list[str]) -> None:
    steps = [
        Step(index, LASTING, {})
        if kind == "lasting"
        else Step(index, PASSING, {"src": "given", "for_good": kind == "for_good"}, name="a proxy")
        for index, kind in enumerate(kinds, start=1)
    ]
    passing = [index for index, kind in enumerate(kinds, start=1) if kind == "passing"]
    done = all_operations(steps, {step.index: {"src": f"/store/{step.index}"} for step in steps})
    begun, ended = done[: len(steps)], done[len(steps) :]
    assert [step.index for step in begun] == list(range(1, len(steps) + 1))
    assert all(step.operations == (Run("begin"),) for step in begun)
    assert [(step.label, step.operations) for step in ended] == [
        (f"{index} (passing: a proxy)", (Run(f"end /store/{index}"),)) for index in reversed(passing)
    ]
