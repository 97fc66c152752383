# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place


def steps(place: Place) -> list[dict[str, t.Any]]:
    hosts = {"servers": ["ntp.example.com", "2001:db8::1"], "pools": ["pool.example.com"]}
    return [{"ntp": {**hosts, "fallback": ["192.0.2.1"]}}]


def check(root: Path) -> None:
    assert (root / "etc/systemd/timesyncd.conf.d/goldsmith.conf").read_text() == (
        "[Time]\nNTP=ntp.example.com 2001:db8::1 pool.example.com\nFallbackNTP=192.0.2.1\n"
    )
    assert (root / "etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service").is_symlink()
