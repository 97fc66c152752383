# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.filter.preset_steps import preset_steps

_WORDS = {True: [True, "true", "True", "yes", 1], False: [False, "false", "False", "no", 0]}
_STEPS = st.integers().map(lambda number: {"write": {"content": str(number)}})


@st.composite
def groups(draw: st.DrawFn, depth: int = 3) -> tuple[list[t.Any], list[t.Any]]:
    """Entries of a preset, and the steps that they stand for."""
    entries: list[t.Any] = []
    steps: list[t.Any] = []
    for dummy in range(draw(st.integers(0, 4))):
        if depth and draw(st.booleans()):
            holds = draw(st.booleans())
            inner, meant = draw(groups(depth - 1))
            entries.append({"when": draw(st.sampled_from(_WORDS[holds])), "steps": inner})
            steps.extend(meant if holds else [])
        else:
            step = draw(_STEPS)
            entries.append(step)
            steps.append(step)
    return entries, steps


@given(st.lists(groups(), max_size=3))
def test_steps_keep_their_order_and_groups_that_do_not_hold_go(presets: list[tuple[list[t.Any], list[t.Any]]]) -> None:
    meant = [step for dummy, steps in presets for step in steps]
    assert preset_steps([{"steps": entries, "requires": []} for entries, dummy in presets]) == meant


@pytest.mark.parametrize(
    ("presets", "said"),
    [
        ({"steps": []}, r"takes a list of presets. Write it as \[preset\]"),
        ("base", "takes a list of presets"),
        (None, "takes a list of presets"),
        ([None], "a preset is a dictionary whose steps is a list"),
        ([{}], "`steps: \\[\\]` for none"),
        ([{"steps": None}], "a preset is a dictionary whose steps is a list"),
        ([{"steps": {"packages": {}}}], "a preset is a dictionary whose steps is a list"),
        ([{"steps": [{"when": True, "steps": "packages"}]}], "a preset is a dictionary whose steps is a list"),
        ([{"steps": [{"steps": []}]}], "has when and steps, and this one has steps"),
        ([{"steps": [{"when": True, "steps": [], "name": "a"}]}], "and this one has name, steps, when"),
        (
            [{"steps": [{"when": "golden_image_offline", "steps": []}]}],
            "neither true nor false: 'golden_image_offline'",
        ),
        ([{"steps": [{"when": ["a"], "steps": []}]}], "neither true nor false"),
    ],
)
def test_what_is_no_preset_is_refused(presets: t.Any, said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said):
        preset_steps(presets)


@pytest.mark.parametrize("entry", ["packages", None, {"pakages": {}}, []])
def test_what_is_no_step_is_left_to_the_module(entry: t.Any) -> None:
    assert preset_steps([{"steps": [entry]}]) == [entry]


@pytest.mark.parametrize(
    ("preset", "said"),
    [
        ({}, "a preset is a dictionary whose steps is a list"),
        ({"steps": [], "name": "a"}, "a preset has no name. There are steps, requires"),
        ({"steps": [{"pakages": {}}]}, r"steps\[0\].pakages \(step 1\) is not a kind of step; packages is"),
        ({"steps": ["packages"]}, r"steps\[0\] \(step 1\) is not a dictionary"),
        ({"steps": [], "requires": {"that": True}}, "requires is not a list"),
        ({"steps": [], "requires": [{"fail_msg": "a"}]}, "an entry of requires is not a dictionary with that"),
        ({"steps": [], "requires": [{"that": True, "msg": "a"}]}, "an entry of requires is not a dictionary with that"),
    ],
)
def test_a_preset_of_a_file_is_checked(preset: t.Any, said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=rf"preset web \(/site/presets/web.yml\): .*{said}"):
        preset_steps([preset], file="/site/presets/web.yml")


def test_a_right_preset_of_a_file_is_left_as_it_is() -> None:
    steps = [{"packages": {"install": ["chrony"]}}, {"when": True, "steps": [{"hostname": {"name": "a"}}]}]
    preset = {"steps": steps, "requires": [{"that": True}, {"that": "a", "fail_msg": "b"}]}
    assert preset_steps([preset], file="/site/web.yml") == preset_steps([preset])
    assert preset_steps([{"steps": []}], file="/site/web.yml") == []
