# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/line_in_file"
CONTENT = "#Port 22\nPort 2222 # 'x'\n# end\ngone\ngone\nlast"


def steps(place: Place) -> list[dict[str, t.Any]]:
    path = f"{DIRECTORY}/sshd_config"
    return [
        {"mkdir": {"path": DIRECTORY}},
        {"write": {"dest": path, "content": CONTENT, "mode": "0600", "group": "adm"}},
        {"line_in_file": {"path": path, "regexp": r"^#?Port\s", "line": 'Port "$x" \\1'}},
        {"line_in_file": {"path": path, "line": "gone", "state": "absent"}},
        {"line_in_file": {"path": path, "line": "after", "insert_after": "^# e"}},
        {"line_in_file": {"path": path, "line": "first", "insert_before": "BOF"}},
        {"line_in_file": {"path": path, "line": "- really last"}},
        {"line_in_file": {"path": f"{DIRECTORY}/new", "line": "new", "create": True}},
        {"line_in_file": {"path": f"{DIRECTORY}/new", "line": "new", "insert_before": "n"}},
        {"line_in_file": {"path": f"{DIRECTORY}/missing", "regexp": "x", "state": "absent"}},
    ]


def check(root: Path) -> None:
    found = root / DIRECTORY[1:] / "sshd_config"
    assert found.read_text() == 'first\n#Port 22\nPort "$x" \\1\n# end\nafter\nlast\n- really last\n'
    assert (found.stat().st_mode & 0o777, found.stat().st_gid) == (0o600, 4)
    assert (root / DIRECTORY[1:] / "new").read_text() == "new\n"
    assert not (root / DIRECTORY[1:] / "missing").exists()
