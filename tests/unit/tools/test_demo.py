# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.tools import demo, demo_domains

DONE, ERROR = ({"cloud_init": {"status": status}} for status in ("done", "error"))


@pytest.mark.parametrize(
    ("record", "proved"),
    [
        ({"audit": {"passed": True}, "boot": [DONE]}, True),
        ({"audit": {"passed": True}, "boot": [DONE, ERROR]}, False),
        ({"audit": {"passed": True}, "boot": []}, False),
        ({"audit": {"passed": True}}, False),
        ({"audit": {"passed": False}, "boot": [DONE]}, False),
        ({"boot": [DONE]}, False),
    ],
)
def test_the_image_of_the_demo_has_to_be_audited_and_booted(
    tmp_path: Path, record: dict[str, t.Any], proved: bool
) -> None:
    image = tmp_path / "demo-1-12345678.qcow2"
    Path(f"{image}.json").write_text(json.dumps(record))
    assert demo.is_proved(image) is proved


def audited(*drift: str, kernel: str | None = "0") -> dict[str, t.Any]:
    """An audit in which every knob of both guests has this drift, and this in the kernel."""
    knobs = (
        "cputune.vcpupin.0",
        "cputune.vcpupin.1",
        "balloon.model",
        "disks.vda.cache",
        "memory_backing.nosharepages",
    )
    row = {"wished": "0", "kernel": kernel, "drift": [{"name": name} for name in drift]}
    return {name: {"knobs": [{"knob": knob, **row} for knob in knobs]} for name in ("db-1", "web-1")}


def test_the_audits_of_the_demo_show_what_they_should() -> None:
    assert demo_domains.unexpected(audited(), None, None) == []
    assert demo_domains.unexpected(audited("not_as_wished"), "not_as_wished", "not_as_wished") == []


@pytest.mark.parametrize(
    ("domains", "expected", "told"),
    [
        (audited("not_as_wished"), None, "db-1: cputune.vcpupin.0: [{'name': 'not_as_wished'}]"),
        (audited(), "not_as_wished", "db-1: balloon.model: []"),
        (audited("pending_restart", "hurts"), "pending_restart", "web-1: balloon.model"),
        (audited(kernel="0-1"), None, "db-1: cputune.vcpupin.0: wished 0, and the kernel has 0-1"),
        (audited(kernel=None), None, "db-1: cputune.vcpupin.0: wished 0, and the kernel has None"),
        ({"web-1": audited()["web-1"]}, None, "db-1 is not there"),
        ({**audited(), "db-1": {"knobs": []}}, None, "db-1: disks.vda.cache is not there"),
    ],
)
def test_an_audit_of_the_demo_that_shows_something_else(
    domains: dict[str, t.Any], expected: str | None, told: str
) -> None:
    assert any(line.startswith(told) for line in demo_domains.unexpected(domains, expected, expected))
