# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit expects of a recipe's image."""

from __future__ import annotations

import typing as t
from fnmatch import fnmatchcase

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.model import Expected
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.audit_expected import expected_of
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import KINDS

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com"
HASH = "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1"


def expected(*steps: dict[str, t.Any]) -> Expected:
    return expected_of(parse_steps(steps))


def test_generalise() -> None:
    assert not expected({"mkdir": {"path": "/srv/x"}}).generalised
    assert expected({"generalise": {}}).generalised
    assert expected({"generalise": {"keep": ["logs", "apt_lists"]}}).kept == {"logs", "apt_lists"}


def test_passwords() -> None:
    assert expected(
        {"user": {"name": "one", "password": "of one"}},
        {"user": {"name": "two", "password_hash": HASH}},
        {"user": {"name": "three"}},
        {"password": {"user": "four", "password": "of four"}},
        {"password": {"user": "five", "disabled": True}},
        {"password": {"user": "six", "locked": True}},
        {"user": {"name": "seven", "password": "of seven"}},
        {"password": {"user": "seven", "disabled": True}},
    ).passwords == {"one": "", "two": HASH, "four": ""}


def test_keys() -> None:
    found = expected(
        {"user": {"name": "ops", "authorized_keys": [KEY]}},
        {"user": {"name": "web"}},
        {"ssh_inject": {"user": "root", "key": KEY}},
    ).authorized_keys
    assert found == {"ops": {KEY}, "web": frozenset(), "root": {KEY}}


@pytest.mark.parametrize(
    ("step", "path"),
    [
        ({"write": {"dest": "/root/.ssh/authorized_keys", "content": KEY}}, "/root/.ssh/authorized_keys"),
        ({"upload": {"src": "keys", "dest": "/root/.ssh/"}}, "/root/.ssh/keys"),
        ({"template": {"src": "keys.j2", "dest": "/root/a[1]*"}}, "/root/a[1]*"),
        ({"copy_in": {"src": "files/authorized_keys", "dest": "/root/.ssh"}}, "/root/.ssh/authorized_keys"),
    ],
)
def test_files(step: dict[str, t.Any], path: str) -> None:
    patterns = expected(step).files
    assert any(fnmatchcase(path, pattern) for pattern in patterns)
    assert not any(fnmatchcase("/root/.ssh/other", pattern) for pattern in patterns)


def test_directories() -> None:
    assert expected({"copy_in": {"src": "files/skel", "dest": "/etc"}}).directories == ("/etc/skel",)


def test_lines() -> None:
    path = "/root/.ssh/authorized_keys"
    found = expected(
        {"append_line": {"path": path, "line": KEY}},
        {"line_in_file": {"path": path, "line": "another"}},
        {"line_in_file": {"path": path, "line": "gone", "state": "absent"}},
    )
    assert found.lines == {path: {KEY, "another"}}
    assert found.files == ()


def test_secrets() -> None:
    found = expected(
        {"run_command": {"command": "x", "secrets": {"TOKEN": "a-token", "LICENCE": "a-licence", "EMPTY": ""}}},
        {"user": {"name": "one", "password": "of one"}},
        {"run_command": {"command": "x", "secrets": {"ID": "an-id"}, "in_image": True}},
        {"password": {"user": "two", "password": "of one"}},
        {"password": {"user": "three", "password_hash": HASH}},
        {"write": {"dest": "/etc/x", "secret_content": "licence=a-licence\n", "in_image": True}},
    ).secrets
    assert [(secret.label, secret.text) for secret in found] == [
        ("secrets.TOKEN of step 1 (run_command)", "a-token"),
        ("password of step 2 (user)", "of one"),
    ]


def test_every_secret_option_is_known() -> None:
    """An option that comes later has to be searched for, or to be known as one that may be in the image."""
    options = {option for kind in KINDS.values() for option in kind.secrets}
    assert options == {"secrets", "password", "password_hash", "secret_content"}
    for kind in KINDS.values():
        if "secret_content" in kind.secrets:
            assert "in_image" in kind.options
