# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"hostname": {"name": "before.promises.example"}},
        {"append_line": {"path": "/etc/hosts", "line": "127.0.1.1 before.promises.example beforexpromises"}},
        {"hostname": {"name": "promises"}},
    ]


def check(root: Path) -> None:
    assert (root / "etc/hostname").read_text() == "promises\n"
    assert "127.0.1.1 promises beforexpromises\n" in (root / "etc/hosts").read_text()
