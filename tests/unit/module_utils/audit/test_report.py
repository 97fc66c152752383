# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions, and what a report says."""

from __future__ import annotations

import json

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.model import Allowance, Context, Disk, Expected, Hit
from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.registry import RULES, allowance
from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.report import Report, audit
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError

from .memory_tree import MemoryTree, clean

SHARE = Allowance("world_writable", ("/srv/share", "/srv/share/*"), "everybody may")


def shared() -> MemoryTree:
    return clean().file("/srv/share/a", "", 0o666).add("/srv/share", "directory", 0o777)


def status(report: Report) -> dict[str, str]:
    return {line.rule.name: line.status for line in report.lines if line.status != "passed"}


def test_an_exception_allows_its_paths_alone() -> None:
    report = audit(Context(shared(), Expected(allow=(SHARE,))), RULES.values())
    assert status(report) == {"world_writable": "allowed"}
    assert not report.failed
    other = shared().file("/srv/other", "", 0o666)
    report = audit(Context(other, Expected(allow=(SHARE,))), RULES.values())
    assert status(report) == {"world_writable": "failed"}
    (line,) = (found for found in report.as_dict()["rules"] if found["status"] == "failed")
    assert [found["path"] for found in line["findings"]] == ["/srv/other"]
    assert [found["reason"] for found in line["allowed"]] == ["everybody may"] * 2
    assert line["count"] == 1


def test_an_exception_of_another_rule_allows_nothing() -> None:
    allow = Allowance("logs", ("*",), "they are wanted")
    report = audit(Context(shared(), Expected(allow=(allow,))), RULES.values())
    assert status(report) == {"world_writable": "failed"}
    assert report.unused == (allow,)
    assert report.as_dict()["unused_exceptions"] == [{"rule": "logs", "paths": ["*"], "reason": "they are wanted"}]


def test_a_secret_in_no_file_can_be_allowed() -> None:
    allow = Allowance("secrets", ("*",), "a word of every day")
    report = audit(Context(clean(), Expected(allow=(allow,)), Disk((Hit("a", "plain", 1),))), RULES.values())
    assert not report.failed


@pytest.mark.parametrize(("paths", "failed"), [(("/srv/*",), True), (("*",), False)])
def test_places_that_were_not_looked_up_are_allowed_with_all_others_alone(paths: tuple[str, ...], failed: bool) -> None:
    allow = Allowance("secrets", paths, "a word of every day")
    disk = Disk(tuple(Hit("a", "plain", at, "/srv/x") for at in range(3)), countless=("a",))
    report = audit(Context(clean(), Expected(allow=(allow,)), disk), RULES.values())
    assert report.failed is failed


def test_what_generalise_keeps_is_allowed() -> None:
    tree = clean().file("/var/log/apt/history.log", "x")
    report = audit(Context(tree, Expected(kept=frozenset({"logs"}))), RULES.values())
    assert status(report) == {"logs": "allowed"}


def test_the_text_has_a_line_for_each_rule() -> None:
    report = audit(Context(shared(), Expected()), RULES.values(), ["pin"])
    lines = report.text().splitlines()
    assert [name for name in RULES if not any(line.split()[1:2] == [name] for line in lines)] == []
    assert "failed  world_writable (2)" in lines
    assert lines[-1] == "not searched for, because it is too short: pin"
    cause, way_out = report.summary()
    assert "world_writable: /srv/share is a directory that every user may write to (mode 0777)" in cause
    assert way_out.startswith("world_writable: Take the permission away by a step chmod")


def test_a_hundred_findings_are_not_all_shown() -> None:
    tree = clean()
    for number in range(100):
        tree.file(f"/var/log/{number:03}", "x")
    report = audit(Context(tree, Expected()), RULES.values())
    (line,) = (found for found in report.as_dict()["rules"] if found["status"] == "failed")
    assert (line["count"], len(line["findings"])) == (100, 20)
    assert "and 80 more" in report.text()


def test_names_of_files_do_nothing_to_a_terminal() -> None:
    tree = clean().add("/srv/\x1b[2J\n\udcff", "fifo", 0o622)
    report = audit(Context(tree, Expected()), RULES.values())
    assert "/srv/\\x1b[2J\\n\\xff" in report.text()
    json.dumps(report.as_dict()).encode()


def test_what_a_user_writes_does_nothing_to_a_terminal() -> None:
    allow = (
        allowance("a", "logs", ("/var/log/*",), "wanted\x1b[2J\nfailed  all\n"),
        Allowance("mail", ("*\n",), "x\n"),
    )
    report = audit(Context(clean().file("/var/log/x", "x"), Expected(allow=allow)), RULES.values(), ["pin\nfailed"])
    described = json.loads(json.dumps(report.as_dict()))
    (allowed,) = (line["allowed"] for line in described["rules"] if line["allowed"])
    assert allowed[0]["reason"] == "wanted\\x1b[2J\\nfailed  all"
    assert described["unused_exceptions"] == [{"rule": "mail", "paths": ["*\\n"], "reason": "x\\n"}]
    assert described["not_searched"] == ["pin\\nfailed"]
    text = report.text()
    assert "failed" not in [line.split()[0] for line in text.splitlines()] and "\x1b" not in text
    assert len(text.splitlines()) == len(RULES) + 3


@pytest.mark.parametrize(
    ("rule", "paths", "reason", "said"),
    [
        (
            "world_writeable",
            ("*",),
            "x",
            "allow[1].rule is 'world_writeable', which is no rule of the audit; world_writ",
        ),
        ("logs", ("*",), " ", "allow[1].reason is empty"),
        ("logs", ("var/log/*",), "x", "allow[1].paths has 'var/log/*', which matches no absolute path"),
    ],
)
def test_exceptions_that_make_no_sense(rule: str, paths: tuple[str, ...], reason: str, said: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        allowance("allow[1]", rule, paths, reason)
    assert str(raised.value).startswith(said)
