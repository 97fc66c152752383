# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from ...fixtures.apt_repository import LOCAL, LOCAL_TOO, build_package
from . import Place


def steps(place: Place) -> list[dict[str, t.Any]]:
    # Each needs the other, and one of them a package of the repository.
    directory = place.directory / "deb"
    files = [str(build_package(package, directory)) for package in (LOCAL, LOCAL_TOO)]
    source = {"uris": [place.apt_url], "suites": ["stable"], "components": ["main"]}
    return [
        {"apt_repository": {"name": "promise-deb", **source, "key_src": str(place.keys.apt.armored)}},
        {"deb": {"src": files}},
        {"apt_repository": {"name": "promise-deb", "state": "absent"}},
    ]


def check(root: Path) -> None:
    for name in ("goldsmith-local", "goldsmith-local-too", "goldsmith-hello-common"):
        assert (root / "var/lib/dpkg/info" / f"{name}.list").exists()
    assert (root / "usr/share/goldsmith-local/version").read_text() == "1.0\n"
    assert not list((root / "var/lib/apt/lists").glob("*_*"))
