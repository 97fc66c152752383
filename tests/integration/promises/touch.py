# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/touch"


def steps(place: Place) -> list[dict[str, t.Any]]:
    old = f"{DIRECTORY}/old"
    return [
        {"mkdir": {"path": DIRECTORY}},
        {"write": {"dest": old, "content": "kept"}},
        {"run_command": {"command": f"touch -d @0 {old}", "network": False}},
        {"touch": {"path": old}},
        {"touch": {"path": f"{DIRECTORY}/-d it's"}},
    ]


def check(root: Path) -> None:
    old = root / DIRECTORY[1:] / "old"
    assert old.read_text() == "kept"
    assert old.stat().st_mtime > 10**9
    assert (root / DIRECTORY[1:] / "-d it's").read_bytes() == b""
