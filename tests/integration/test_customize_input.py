# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people write, well or badly, by real plays in check mode: values arrive as they are, mistakes are named."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.tests.integration.plays import Result, run_tasks

MODULE = "goldsmith.kvm.image_customize"
ODD = [
    "-n",
    "a: b",
    "'",
    '"',
    'it\'s "so"',
    "$HOME `id` $(id)",
    "\\n",
    "a\nb\n",
    "\n",
    " ",
    "ä ☃ 🐧",
    "#",
    "{",
    "%s",
    "--",
]

WRONG: list[tuple[t.Any, list[str]]] = [
    ({"pakages": {"install": ["a"]}}, ["steps[0].pakages (step 1) is not a kind of step; packages is. There are "]),
    (
        {"write": {"dst": "/a"}},
        ["steps[0].write.dst (step 1) is not an option of this step; dest is. There are dest, "],
    ),
    (
        {"hostname": {"name": "a"}, "timezone": {"name": "UTC"}},
        ["steps[0] (step 1) has to have exactly one kind of step and has hostname, timezone. Write one step for each"],
    ),
    ({"name": "Nothing"}, ["steps[0] (step 1) has to have exactly one kind of step and has none. There are "]),
    ({"hostname": "golden"}, ["steps[0].hostname (step 1) is not a dictionary"]),
    ({"hostname": {"name": "-x"}}, ["step 1", "name is no host name: '-x'"]),
    ({"hostname": {"name": "a\nb"}}, ["step 1", "name is no host name: 'a\\nb'"]),
    ({"packages": {"install": ["-y"]}}, ["step 1", "install has '-y'", "not the name of a package"]),
    ({"packages": {"install": ["a\nb"]}}, ["step 1", "not the name of a package"]),
    ({"user": {"name": "o'ps"}}, ["step 1", 'name is no name for an account: "o\'ps"']),
    ({"user": {"name": "ops", "comment": "a:b"}}, ["step 1", "comment must not have a colon"]),
    ({"write": {"dest": "/etc/a\nb", "content": ""}}, ["step 1", "dest has to be one line of text"]),
    ({"condition": {"versoin": "1"}, "hostname": {"name": "a"}}, ["steps[0].condition.versoin (step 1)", "version is"]),
    ({"condition": {"version": 24.10}, "hostname": {"name": "a"}}, ["condition.version (step 1)", "Quote it"]),
    ({"condition": {"version": "~24"}, "hostname": {"name": "a"}}, ["condition (step 1)", "'>=22.04,<25', in quotes"]),
    ({"timeout": 0, "hostname": {"name": "a"}}, ["steps[0].timeout (step 1) has to be seconds from 1 on and is 0"]),
    ({"name": "two\nlines", "hostname": {"name": "a"}}, ["steps[0].name (step 1) has to be one line of text"]),
]


@pytest.fixture(name="options")
def fixture_options(image: Path, tmp_path: Path) -> dict[str, t.Any]:
    return {
        "base": {"path": str(image), "publisher": "ubuntu", "version": "24.04", "serial": "1"},
        "dest_dir": str(tmp_path / "golden"),
        "store": str(tmp_path / "store"),
        "name": "web",
    }


def test_mistakes_are_named(options: dict[str, t.Any]) -> None:
    tasks = [{MODULE: {**options, "steps": [step]}} for step, dummy in WRONG]
    results = run_tasks(tasks, "--check", ignore_errors=True)
    for result, (dummy, said) in zip(results, WRONG):
        assert result["failed"]
        for part in said:
            assert part in result["msg"]
            assert result["msg"].count(part) == 1


@pytest.mark.parametrize("wrong", [{"max_age": "weekly"}, {"memsize": 127}, {"payloads": {}}, {"timeout": 0}])
def test_options_are_refused(options: dict[str, t.Any], wrong: dict[str, t.Any]) -> None:
    steps = [{"hostname": {"name": "a"}}]
    (result,) = run_tasks([{MODULE: {**options, "steps": steps, **wrong}}], "--check", ignore_errors=True)
    assert result["failed"]
    assert next(iter(wrong)) in result["msg"]


def test_a_base_is_a_path_as_well(options: dict[str, t.Any], image: Path) -> None:
    bases = [{"path": str(image)}, str(image), f"path={image}", "", "/none.qcow2"]
    tasks = [{MODULE: {**options, "steps": [], "base": base}} for base in bases]
    *same, empty, absent = run_tasks(tasks, "--check", ignore_errors=True)
    assert len({result["fingerprint"] for result in same}) == 1
    assert empty["msg"].startswith("base has no path. Give `base: {path: ")
    assert "/none.qcow2" in absent["msg"] and "convert to dict" not in absent["msg"]


def test_owners_that_the_host_does_not_know(options: dict[str, t.Any]) -> None:
    task = {MODULE: {**options, "steps": [], "owner": "no-such-user", "group": "no-such-group"}}
    (known, result) = run_tasks([{MODULE: {**options, "steps": [], "owner": "root", "group": "0"}}, task], "--check")
    assert not any("does not know" in warning for warning in known.get("warnings", []))
    for unknown in ("owner no-such-user", "group no-such-group"):
        assert any(warning.endswith(f"this host does not know the {unknown}") for warning in result["warnings"])


def planned(options: dict[str, t.Any], steps: list[dict[str, t.Any]]) -> Result:
    task = {MODULE: {**options, "steps": steps}}
    (result,) = run_tasks([task], "--check", "--diff")
    return result


def test_values_arrive_as_they_are(options: dict[str, t.Any]) -> None:
    steps = [{"name": "- odd: 'name'", "write": {"dest": f"/srv/it's: {n}", "content": c}} for n, c in enumerate(ODD)]
    result = planned(options, steps)
    shown = result["diff"]["after"]["steps"]
    assert [step["write"]["content"] for step in shown] == ODD
    assert [step["write"]["dest"] for step in shown] == [f"/srv/it's: {number}" for number in range(len(ODD))]
    assert {step["name"] for step in result["steps"]} == {"- odd: 'name'"}


def test_check_mode_is_quick(options: dict[str, t.Any]) -> None:
    """At most 2 s inside the module, of a long recipe."""
    steps = [{"write": {"dest": f"/srv/{number}", "content": "x" * 1000}} for number in range(200)]
    assert sum(planned(options, steps)["stages"].values()) < 2
