# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/chown"


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"mkdir": {"path": f"{DIRECTORY}/tree/below"}},
        {"touch": {"path": f"{DIRECTORY}/file"}},
        {"touch": {"path": f"{DIRECTORY}/outside"}},
        {"link": {"target": "../../outside", "path": f"{DIRECTORY}/tree/below/link"}},
        {"link": {"target": "tree", "path": f"{DIRECTORY}/named"}},
        {"chown": {"path": f"{DIRECTORY}/file", "owner": "12345", "group": "54321"}},
        {"chown": {"path": f"{DIRECTORY}/file", "group": "adm"}},
        {"chown": {"path": f"{DIRECTORY}/named", "owner": "daemon", "recursive": True}},
    ]


def check(root: Path) -> None:
    owners = {
        "file": (12345, 4),
        "tree": (1, 0),
        "tree/below": (1, 0),
        "tree/below/link": (1, 0),
        "outside": (0, 0),
    }
    found = {name: (root / DIRECTORY[1:] / name).lstat() for name in owners}
    assert {name: (status.st_uid, status.st_gid) for name, status in found.items()} == owners
