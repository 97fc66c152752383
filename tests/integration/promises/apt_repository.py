# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import typing as t
from pathlib import Path

from . import Place


def steps(place: Place) -> list[dict[str, t.Any]]:
    source = {"uris": [place.apt_url_of("apt_repository")], "suites": ["stable"], "components": ["main"]}
    digest = hashlib.sha256(place.keys.apt.armored.read_bytes()).hexdigest()
    return [
        {"write": {"dest": "/etc/apt/sources.list.d/promise-file.list", "content": "deb [broken\n"}},
        {
            "apt_repository": {
                "name": "promise-url",
                **source,
                "key_url": f"{place.apt_url}/key.asc",
                "key_checksum": digest,
            }
        },
        {
            "apt_repository": {
                "name": "promise-file",
                **source,
                "architectures": ["amd64", "arm64"],
                "key_src": str(place.keys.apt.binary),
                "pin_priority": 990,
                "pin_packages": ["goldsmith-pinned", "goldsmith-hello*"],
                "pin": "release o=goldsmith.kvm tests",
            }
        },
        {"apt_repository": {"name": "promise-url", "state": "absent"}},
        {"packages": {"install": ["goldsmith-repository"]}},
    ]


def check(root: Path) -> None:
    keyring = (root / "etc/apt/keyrings/promise-file.gpg").read_bytes()
    assert keyring[0] in (0x98, 0x99, 0xC6)
    text = (root / "etc/apt/sources.list.d/promise-file.sources").read_text()
    assert text.startswith("Types: deb\nURIs: http://")
    assert text.endswith(
        "/apt-of-apt_repository\nSuites: stable\nComponents: main\nArchitectures: amd64 arm64\n"
        "Signed-By: /etc/apt/keyrings/promise-file.gpg\n"
    )
    assert (root / "etc/apt/preferences.d/promise-file.pref").read_text() == (
        "Package: goldsmith-pinned goldsmith-hello*\nPin: release o=goldsmith.kvm tests\nPin-Priority: 990\n"
    )
    assert (root / "usr/share/goldsmith-repository/version").read_text() == "1.0\n"
    assert [path.name for path in (root / "etc/apt").glob("*/promise-url*")] == []
    assert not (root / "etc/apt/sources.list.d/promise-file.list").exists()
