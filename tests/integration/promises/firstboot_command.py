# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place
from .firstboot import scripts


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"firstboot_command": {"command": "echo 'promise of firstboot_command kept'"}},
        {"firstboot_command": {"command": '\n  cd /srv\n  echo "in $(pwd)"\n'}},
    ]


def check(root: Path) -> None:
    first, second = scripts(root, "command")
    assert first.read_text() == "#!/bin/sh -e\necho 'promise of firstboot_command kept'\n"
    assert second.read_text() == '#!/bin/sh -e\n\n  cd /srv\n  echo "in $(pwd)"\n'
