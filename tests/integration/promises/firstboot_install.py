# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

from . import Place
from .firstboot import scripts


def steps(place: Place) -> list[dict[str, t.Any]]:
    # It is there already, so that a clone without network does nothing and is well.
    return [{"firstboot_install": {"packages": ["tzdata"]}}]


def check(root: Path) -> None:
    (script,) = scripts(root, "install")
    assert " install -- tzdata\n" in script.read_text()
    argv = ["shellcheck", "--shell=sh", "--severity=warning", "--exclude=SC2043", script]
    subprocess.run(argv, check=True)
