# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

SETTINGS = {"vm.swappiness": 1, "kernel.printk": "4 4 1 7", "net/ipv4/conf/lo/rp_filter": "0", "-net.none.such": 1}


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [{"sysctl": {"name": "98-promises", "settings": SETTINGS}}]


def check(root: Path) -> None:
    assert (root / "etc/sysctl.d/98-promises.conf").read_text().splitlines() == [
        "-net.none.such = 1",
        "kernel.printk = 4 4 1 7",
        "net/ipv4/conf/lo/rp_filter = 0",
        "vm.swappiness = 1",
    ]
