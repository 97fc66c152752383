# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

CONTENT = bytes(range(256)) * 300


def steps(place: Place) -> list[dict[str, t.Any]]:
    source = place.file("upload/it's: -x ä", CONTENT)
    owned = {"mode": "0600", "owner": "daemon", "group": "4"}
    return [
        {"mkdir": {"path": "/srv/promises/upload"}},
        {"upload": {"src": source, "remote_src": True, "dest": "/srv/promises/upload/"}},
        {
            "upload": {
                "src": source,
                "remote_src": True,
                "dest": "/srv/promises/upload/secret",
                "secret": True,
                "in_image": True,
                **owned,
            }
        },
    ]


def check(root: Path) -> None:
    expected = {"it's: -x ä": (0o644, 0, 0), "secret": (0o600, 1, 4)}
    for name, owned in expected.items():
        path = root / "srv/promises/upload" / name
        assert path.read_bytes() == CONTENT
        assert (path.stat().st_mode & 0o7777, path.stat().st_uid, path.stat().st_gid) == owned
