# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
import typing as t
from pathlib import Path

import yaml

from . import Place

# No card has this name: the clone's network is that of cloud-init, and nothing waits for this one.
CARD = {"match": {"name": "promised0"}, "dhcp4": True, "mtu": 9000, "optional": True}
CONFIG = {"network": {"version": 2, "ethernets": {"promised": CARD}}}


def steps(place: Place) -> list[dict[str, t.Any]]:
    text = "network:\n  version: 2\n  ethernets:\n    promised:\n      addresses: [192.0.2.2/24]"
    return [
        {"netplan": {"name": "60-promises", "config": CONFIG}},
        {"netplan": {"name": "61-promises", "content": text}},
    ]


def check(root: Path) -> None:
    first, second = (root / f"etc/netplan/{name}-promises.yaml" for name in ("60", "61"))
    assert yaml.safe_load(first.read_text()) == CONFIG
    assert second.read_text().endswith("addresses: [192.0.2.2/24]\n")
    assert {stat.S_IMODE(file.stat().st_mode) for file in (first, second)} == {0o600}
