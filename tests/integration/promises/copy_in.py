# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/copy_in"
ODD = "two\nlines 'ä' \\x"


def steps(place: Place) -> list[dict[str, t.Any]]:
    tree = Path(place.file("copy_in/site/index.html", "<html>")).parent
    place.file("copy_in/site/existing/new", "new")
    place.file(f"copy_in/site/{ODD}", "odd")
    Path(place.file("copy_in/site/bin/start", "#!/bin/sh\n")).chmod(0o755)
    if not (tree / "link").is_symlink():
        (tree / "link").symlink_to("index.html")
    return [
        {"mkdir": {"path": f"{DIRECTORY}/site/existing", "mode": "1777"}},
        {"write": {"dest": f"{DIRECTORY}/site/existing/old", "content": "old"}},
        {"copy_in": {"src": str(tree), "dest": DIRECTORY, "owner": "www-data", "group": "adm", "remote_src": True}},
        {"copy_in": {"src": str(tree / "index.html"), "dest": f"{DIRECTORY}/", "remote_src": True}},
    ]


def check(root: Path) -> None:
    site = root / DIRECTORY[1:] / "site"
    found = {
        str(path.relative_to(site)): (path.lstat().st_uid, path.lstat().st_gid, path.lstat().st_mode & 0o7777)
        for path in site.rglob("*")
    }
    assert found == {
        "index.html": (33, 4, 0o644),
        "link": (33, 4, 0o777),
        ODD: (33, 4, 0o644),
        "bin": (33, 4, 0o755),
        "bin/start": (33, 4, 0o755),
        "existing": (0, 0, 0o1777),
        "existing/old": (0, 0, 0o644),
        "existing/new": (33, 4, 0o644),
    }
    assert (site / "existing/new").read_text() == "new"
    alone = root / DIRECTORY[1:] / "index.html"
    assert (alone.read_text(), alone.stat().st_uid) == ("<html>", 0)
    assert alone.stat().st_mtime > 10**9
