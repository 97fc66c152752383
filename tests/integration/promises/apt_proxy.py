# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place


def steps(place: Place) -> list[dict[str, t.Any]]:
    proxy = place.apt_url.rpartition("/")[0]
    # The server serves its files whatever host it is asked for, so it can pass for a proxy.
    source = {"uris": ["http://behind-a-proxy.invalid/apt"], "suites": ["stable"], "components": ["main"]}
    return [
        {"apt_proxy": {"https": "http://proxy.invalid:3128", "direct": ["apt.invalid"], "for_good": True}},
        {"apt_proxy": {"http": proxy}},
        {"apt_repository": {"name": "promise-proxy", **source, "key_src": str(place.keys.apt.armored)}},
        {"packages": {"install": ["goldsmith-proxied"]}},
        {"apt_repository": {"name": "promise-proxy", "state": "absent"}},
    ]


def check(root: Path) -> None:
    assert (root / "usr/share/goldsmith-proxied/version").read_text() == "1.0\n"
    directory = root / "etc/apt/apt.conf.d"
    assert [path.name for path in directory.glob("*proxy*")] == ["95goldsmith-proxy"]
    assert (directory / "95goldsmith-proxy").read_text() == (
        'Acquire::https::Proxy "http://proxy.invalid:3128";\n'
        'Acquire::http::Proxy::apt.invalid "DIRECT";\nAcquire::https::Proxy::apt.invalid "DIRECT";\n'
    )
