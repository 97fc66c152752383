# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
import yaml

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import StepKind
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import GROUPS, KINDS
from ansible_collections.goldsmith.kvm.tests.tools import step_docs, step_page


def test_the_documentation_of_steps_is_that_of_their_files() -> None:
    written = step_docs.MODULE.read_text(encoding="utf-8")
    assert written == step_docs.renewed(written, KINDS.values()), "run python -m tests.tools.step_docs"


def test_the_page_of_steps_is_that_of_their_files() -> None:
    assert step_page.PAGE.read_text(encoding="utf-8") == step_page.render(GROUPS), "run python -m tests.tools.step_docs"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_has_an_example_that_it_takes(kind: StepKind) -> None:
    steps = parse_steps(yaml.safe_load(kind.example))
    assert kind in [step.kind for step in steps]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_refers_to_options_that_there_are(kind: StepKind) -> None:
    """What is an option of no step is one of the module."""
    documented = step_docs.render([kind])
    named = set(re.findall(r"\bO\(([^)=]+)", documented))
    module = {"base", "size", "compression", "engine", "network", "memsize", "smp", "timeout", "steps", "workdir"}
    options = {f"steps[].{kind.name}.{name}" for name, dummy in step_page.flat(kind.options)}
    common = {f"steps[].{name}" for name in ("name", "condition", "timeout")}
    assert named <= module | options | common


KIND = StepKind(
    name="mint",
    description="Mint O(coin). See O(condition) and O(size).\n\n  Second `paragraph`.",
    options={
        "coin": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "description": "Coins, O(coin[].face=a|b).",
            "options": {
                "face": {
                    "type": "str",
                    "required": True,
                    "choices": ["a|b", "c"],
                    "description": "V(a\\)b) not O(coin).",
                }
            },
        },
        "key": {
            "type": "raw",
            "no_log": True,
            "description": "I(Not) B(shown), U(https://x.example), L(it, https://y).",
        },
    },
    render=lambda _options: (),
    example="- mint: {}\n",
)


def test_options_of_options_are_documented() -> None:
    (found,) = [yaml.safe_load(step_docs.render([KIND]))["suboptions"]["mint"]]
    assert found["description"] == [
        "Mint O(steps[].mint.coin). See O(steps[].condition) and O(size).",
        "Second `paragraph`.",
    ]
    face = found["suboptions"]["coin"]["suboptions"]["face"]
    assert face == {
        "description": ["V(a\\)b) not O(steps[].mint.coin)."],
        "type": "str",
        "required": True,
        "choices": ["a|b", "c"],
    }
    assert "no_log" not in found["suboptions"]["key"]


def test_the_page_shows_all_of_a_kind() -> None:
    page = step_page.render({"Coins": [KIND]})
    assert "- Coins: [`mint`](#mint)\n" in page
    assert "Mint `coin`. See `condition` and `size`.\n\nSecond \\`paragraph\\`.\n" in page
    assert "| `coin` | list of dict | `[]` | Coins, `coin[].face=a\\|b`. |\n" in page
    assert "| `coin[].face` | str | **required** | One of `a\\|b`, `c`.<br>`a)b` not `coin`. |\n" in page
    assert "| `key` | any |  | *Not* **shown**, <https://x.example>, [it](https://y). |\n" in page
    assert page.endswith("```yaml\n- mint: {}\n```\n")
