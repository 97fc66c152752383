# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/mkdir"


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"mkdir": {"path": f"{DIRECTORY}/-p/it's", "mode": "2770", "owner": "daemon", "group": "adm"}},
        {"touch": {"path": f"{DIRECTORY}/-p/it's/file"}},
        {"mkdir": {"path": f"{DIRECTORY}/-p/it's/"}},
    ]


def check(root: Path) -> None:
    expected = {"-p": (0o755, 0, 0), "-p/it's": (0o2770, 1, 4)}
    found = {name: (root / DIRECTORY[1:] / name).stat() for name in expected}
    assert {name: (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid) for name, stat in found.items()} == expected
    assert (root / DIRECTORY[1:] / "-p/it's/file").is_file()
