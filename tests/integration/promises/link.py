# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/link"


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"mkdir": {"path": f"{DIRECTORY}/directory"}},
        {"touch": {"path": f"{DIRECTORY}/file"}},
        {"link": {"target": "directory", "path": f"{DIRECTORY}/to directory"}},
        {
            "link": {
                "target": "-n 'x': $HOME",
                "path": [f"{DIRECTORY}/{name}" for name in ("file", "to directory", "-s")],
            }
        },
    ]


def check(root: Path) -> None:
    for name in ("file", "to directory", "-s"):
        assert os.readlink(root / DIRECTORY[1:] / name) == "-n 'x': $HOME"
    assert os.listdir(root / DIRECTORY[1:] / "directory") == []
