# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/copy"


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"mkdir": {"path": f"{DIRECTORY}/from"}},
        {"mkdir": {"path": f"{DIRECTORY}/into"}},
        {"write": {"dest": f"{DIRECTORY}/from/-f *", "content": "x", "mode": "0600", "owner": "daemon"}},
        {"link": {"target": "-f *", "path": f"{DIRECTORY}/from/link"}},
        {"copy": {"src": f"{DIRECTORY}/from", "dest": f"{DIRECTORY}/to"}},
        {"copy": {"src": f"{DIRECTORY}/from/-f *", "dest": f"{DIRECTORY}/into/"}},
    ]


def check(root: Path) -> None:
    directory = root / DIRECTORY[1:]
    for name in ("from/-f *", "to/-f *", "into/-f *"):
        status = (directory / name).stat()
        assert ((directory / name).read_text(), status.st_mode & 0o777, status.st_uid) == ("x", 0o600, 1)
    assert (directory / "to/link").is_symlink()
