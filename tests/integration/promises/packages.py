# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place


def steps(place: Place) -> list[dict[str, t.Any]]:
    source = {"uris": [place.apt_url], "suites": ["stable"], "components": ["main"]}
    key = place.keys.apt.armored.read_text()
    return [
        {"apt_repository": {"name": "promise-packages", **source, "key": key}},
        {
            "packages": {
                "install": ["goldsmith-hello", "goldsmith-pinned=1.0"],
                "remove": ["iputils-ping", "snapd"],
                "purge": ["less"],
                "upgrade": "yes",
                "autoremove": True,
                "hold": ["goldsmith-pinned", "goldsmith-hello"],
            }
        },
        {"packages": {"unhold": ["goldsmith-hello"]}},
        {"apt_repository": {"name": "promise-packages", "state": "absent"}},
    ]


def check(root: Path) -> None:
    status = (root / "var/lib/dpkg/status").read_text()
    states = {
        entry.partition("\n")[0]: entry.partition("Status: ")[2].partition("\n")[0]
        for entry in status.split("Package: ")
    }
    assert states["goldsmith-hello"] == states["goldsmith-hello-common"] == "install ok installed"
    assert states["goldsmith-pinned"] == "hold ok installed"
    assert "\nVersion: 1.0\n" in status.partition("Package: goldsmith-pinned\n")[2].partition("\n\n")[0]
    assert states.get("iputils-ping", "") in ("", "deinstall ok config-files")
    assert "less" not in states
    # The base had no lists, and no package that was fetched is left.
    assert not list((root / "var/lib/apt/lists").glob("*_*"))
    assert not list((root / "var/cache/apt/archives").glob("*.deb"))
