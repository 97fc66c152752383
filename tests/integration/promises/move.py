# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/move"


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"mkdir": {"path": f"{DIRECTORY}/into"}},
        {"mkdir": {"path": f"{DIRECTORY}/directory/below"}},
        {"write": {"dest": f"{DIRECTORY}/-t a", "content": "a"}},
        {"write": {"dest": f"{DIRECTORY}/b", "content": "b"}},
        {"move": {"src": f"{DIRECTORY}/-t a", "dest": f"{DIRECTORY}/b"}},
        {"move": {"src": f"{DIRECTORY}/directory", "dest": f"{DIRECTORY}/into"}},
    ]


def check(root: Path) -> None:
    directory = root / DIRECTORY[1:]
    assert sorted(str(path.relative_to(directory)) for path in directory.rglob("*")) == [
        "b",
        "into",
        "into/directory",
        "into/directory/below",
    ]
    assert (directory / "b").read_text() == "a"
