# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
import typing as t
from pathlib import Path

from . import Place

ODD = "-x: 'quoted' \"twice\" $HOME `id` \\\n\ttwo lines ä\n"
OWNED = {"mode": "0640", "owner": "daemon", "group": "adm"}


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"mkdir": {"path": "/srv/promises/write"}},
        {"write": {"dest": "/srv/promises/write/odd", "content": ODD, **OWNED}},
        {"write": {"dest": "/srv/promises/write/empty", "content": ""}},
        {"write": {"dest": "/srv/promises/write/secret", "secret_content": "s3cret\n", "in_image": True}},
    ]


def check(root: Path) -> None:
    odd = root / "srv/promises/write/odd"
    assert odd.read_text() == ODD
    assert (stat.S_IMODE(odd.stat().st_mode), odd.stat().st_uid, odd.stat().st_gid) == (0o640, 1, 4)
    assert (root / "srv/promises/write/empty").read_bytes() == b""
    assert (root / "srv/promises/write/secret").read_text() == "s3cret\n"
