# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import typing as t
from pathlib import Path

from . import Place


def steps(_place: Place) -> list[dict[str, t.Any]]:
    return [
        {
            "kernel_cmdline": {
                "append": ["goldsmith.promise=1,2:3", "printk.devkmsg=on"],
                "replace": ["console=ttyS0,115200n8"],
                "remove": ["quiet", "splash"],
            }
        }
    ]


def check(root: Path) -> None:
    lines = re.findall(r"^\s*linux\s.*", (root / "boot/grub/grub.cfg").read_text(), re.MULTILINE)
    assert lines
    for line in lines:
        words = line.split()
        assert {"goldsmith.promise=1,2:3", "printk.devkmsg=on"} <= set(words)
        assert [word for word in words if word.startswith("console=")] == ["console=ttyS0,115200n8"]
        assert any(word.startswith("root=UUID=") for word in words)
