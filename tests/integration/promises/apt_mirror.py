# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

SOURCES = """\
# deb http://deb.debian.org/debian stays in a comment
Types: deb
URIs: http://deb.debian.org/debian/ https://ftp.de.debian.org/debian
\thttp://security.ubuntu.com/ubuntu
Suites: stable
Components: main
Signed-By: /etc/apt/keyrings/promise-mirror.gpg
"""


def steps(place: Place) -> list[dict[str, t.Any]]:
    path = "/etc/apt/sources.list.d/promise-mirror.sources"
    source = {"uris": ["http://apt.invalid/debian"], "suites": ["stable"], "components": ["main"]}
    return [
        {"apt_repository": {"name": "promise-mirror", **source, "key_src": str(place.keys.apt.armored)}},
        {"write": {"dest": path, "content": SOURCES, "mode": "0640"}},
        {"apt_mirror": {"uri": place.apt_url_of("apt_mirror")}},
        {"packages": {"install": ["goldsmith-mirrored"]}},
    ]


def check(root: Path) -> None:
    path = root / "etc/apt/sources.list.d/promise-mirror.sources"
    assert path.read_text() == SOURCES
    assert path.stat().st_mode & 0o777 == 0o640
    assert (root / "usr/share/goldsmith-mirrored/version").read_text() == "1.0\n"
    assert not (root / "var/lib/goldsmith-apt-mirror").exists()
