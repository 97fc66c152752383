# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import typing as t
from pathlib import Path

from . import Place


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [{"timezone": {"name": "Europe/Oslo"}}]


def check(root: Path) -> None:
    assert os.readlink(root / "etc/localtime") == "/usr/share/zoneinfo/Europe/Oslo"
    timezone = root / "etc/timezone"
    assert not timezone.exists() or timezone.read_text() == "Europe/Oslo\n"
