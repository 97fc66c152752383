# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place


def steps(place: Place) -> list[dict[str, t.Any]]:
    source = place.file("template/motd.j2", "Welcome\n")
    owned = {"mode": "0600", "owner": "daemon", "group": "adm", "secret": True, "in_image": True}
    return [
        {"mkdir": {"path": "/srv/promises/template"}},
        {"template": {"src": source, "dest": "/srv/promises/template/it's", **owned}},
    ]


def check(root: Path) -> None:
    found = root / "srv/promises/template/it's"
    assert found.read_text() == "Welcome\n"
    assert (found.stat().st_mode & 0o777, found.stat().st_uid, found.stat().st_gid) == (0o600, 1, 4)
