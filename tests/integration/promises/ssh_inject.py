# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB o'neil; id"


def steps(place: Place) -> list[dict[str, t.Any]]:
    step = {"ssh_inject": {"user": "promiseinject", "key": KEY}}
    return [{"run_command": {"command": "useradd -m promiseinject", "network": False}}, step, step]


def check(root: Path) -> None:
    keys = root / "home/promiseinject/.ssh/authorized_keys"
    assert keys.read_text() == f"{KEY}\n"
    owner = (root / "home/promiseinject").stat().st_uid
    for path, mode in ((keys, 0o600), (keys.parent, 0o700)):
        assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (owner, mode)
