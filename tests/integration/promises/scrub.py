# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/scrub"


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"mkdir": {"path": DIRECTORY}},
        {"write": {"dest": f"{DIRECTORY}/-u token", "content": "a token\n"}},
        # What the blocks hold afterwards is seen by a second name.
        {"run_command": {"command": f"ln '{DIRECTORY}/-u token' {DIRECTORY}/blocks", "network": False}},
        {"scrub": {"path": f"{DIRECTORY}/-u token"}},
    ]


def check(root: Path) -> None:
    assert not (root / DIRECTORY[1:] / "-u token").exists()
    assert set((root / DIRECTORY[1:] / "blocks").read_bytes()) <= {0}
