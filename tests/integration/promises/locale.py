# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

from . import Place


def steps(place: Place) -> list[dict[str, t.Any]]:
    # One without UTF-8, because it is generated much faster.
    return [{"locale": {"name": "C.utf8", "generate": ["en_US"]}}]


def check(root: Path) -> None:
    assert (root / "etc/default/locale").read_text().splitlines() == ["LANG=C.UTF-8"]
    assert "en_US ISO-8859-1" in (root / "etc/locale.gen").read_text().splitlines()
    argv = ["chroot", root, "env", "-i", "LC_ALL=en_US", "locale", "charmap"]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("ISO-8859-1\n", "")
