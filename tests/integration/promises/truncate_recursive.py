# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/truncate_recursive"


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"mkdir": {"path": f"{DIRECTORY}/it's/below"}},
        {"write": {"dest": f"{DIRECTORY}/it's/a", "content": "x"}},
        {"write": {"dest": f"{DIRECTORY}/it's/below/-c b", "content": "x", "mode": "0600"}},
        {"write": {"dest": f"{DIRECTORY}/outside", "content": "x"}},
        {"link": {"target": "../outside", "path": f"{DIRECTORY}/it's/link"}},
        {"truncate_recursive": {"path": f"{DIRECTORY}/it's"}},
    ]


def check(root: Path) -> None:
    sizes = {"it's/a": 0, "it's/below/-c b": 0, "outside": 1}
    assert {name: (root / DIRECTORY[1:] / name).stat().st_size for name in sizes} == sizes
    assert (root / DIRECTORY[1:] / "it's/below/-c b").stat().st_mode & 0o777 == 0o600
    assert (root / DIRECTORY[1:] / "it's/link").is_symlink()
