# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.tools import demo

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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: dict[str, t.Any], proved: bool
) -> None:
    monkeypatch.setattr(demo, "GOLDEN", tmp_path)
    (tmp_path / "demo.qcow2").symlink_to("demo-1-12345678.qcow2")
    (tmp_path / "demo-1-12345678.qcow2.json").write_text(json.dumps(record))
    assert demo.is_proved() is proved
