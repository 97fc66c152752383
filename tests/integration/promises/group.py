# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"group": {"name": "promised", "gid": 4240}},
        {"group": {"name": "promised-system", "system": True}},
        {"group": {"name": "promised-moved"}},
        {"group": {"name": "promised-moved", "gid": 4241}},
        {"group": {"name": "promised-moved"}},
    ]


def check(root: Path) -> None:
    groups = dict(line.split(":", 1) for line in (root / "etc/group").read_text().splitlines())
    assert groups["promised"] == "x:4240:"
    assert 100 <= int(groups["promised-system"].split(":")[1]) < 1000
    assert groups["promised-moved"] == "x:4241:"
