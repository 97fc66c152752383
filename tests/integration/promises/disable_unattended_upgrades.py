# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place


def steps(_place: Place) -> list[dict[str, t.Any]]:
    return [{"disable_unattended_upgrades": {}}]


def check(root: Path) -> None:
    for unit in ("unattended-upgrades.service", "apt-daily.timer", "apt-daily-upgrade.timer"):
        assert (root / "etc/systemd/system" / unit).readlink() == Path("/dev/null")
    assert 'APT::Periodic::Enable "0";' in (root / "etc/apt/apt.conf.d/99-no-unattended-upgrades").read_text()
