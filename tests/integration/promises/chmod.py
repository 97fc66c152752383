# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/chmod"


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"mkdir": {"path": f"{DIRECTORY}/tree"}},
        {"write": {"dest": f"{DIRECTORY}/tree/file", "content": ""}},
        {"touch": {"path": f"{DIRECTORY}/-x: it's"}},
        {"chmod": {"path": f"{DIRECTORY}/-x: it's", "mode": "4750"}},
        {"chmod": {"path": f"{DIRECTORY}/tree", "mode": "u=rwX,g=rX,o=", "recursive": True}},
    ]


def check(root: Path) -> None:
    modes = {"-x: it's": 0o4750, "tree": 0o750, "tree/file": 0o640}
    assert {name: stat.S_IMODE((root / DIRECTORY[1:] / name).stat().st_mode) for name in modes} == modes
