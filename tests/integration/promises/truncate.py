# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place


def steps(place: Place) -> list[dict[str, t.Any]]:
    path = "/srv/promises/truncate/it's"
    return [
        {"mkdir": {"path": "/srv/promises/truncate"}},
        {"write": {"dest": path, "content": "x", "mode": "0640", "owner": "daemon"}},
        {"truncate": {"path": path}},
    ]


def check(root: Path) -> None:
    found = (root / "srv/promises/truncate/it's").stat()
    assert (found.st_size, found.st_mode & 0o777, found.st_uid) == (0, 0o640, 1)
