# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/delete"


def steps(place: Place) -> list[dict[str, t.Any]]:
    names = ["a.gz", "b.old", "c.log", "-f", "it's $HOME", ".hidden", "[x]", "x", "kept"]
    return [
        {"mkdir": {"path": f"{DIRECTORY}/tree/below"}},
        *({"touch": {"path": f"{DIRECTORY}/{name}"}} for name in names),
        {"delete": {"path": f"{DIRECTORY}/*.{{gz,old}}"}},
        {"delete": {"path": f"{DIRECTORY}/tree"}},
        {"delete": {"path": f"{DIRECTORY}/it's $HOME"}},
        {"delete": {"path": f"{DIRECTORY}/\\[x]"}},
        {"delete": {"path": f"{DIRECTORY}/[!a-y.]*"}},
        {"delete": {"path": f"{DIRECTORY}/.*"}},
        {"delete": {"path": f"{DIRECTORY}/nothing-*"}},
        {"delete": {"path": f"{DIRECTORY}/nothing"}},
        {"delete": {"path": f"{DIRECTORY}/*/"}},
    ]


def check(root: Path) -> None:
    assert {path.name for path in (root / DIRECTORY[1:]).iterdir()} == {"c.log", "x", "kept"}
