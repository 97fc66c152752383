# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

FILE = "/srv/promises/edit/file"
EXPRESSION = r"""
s/'b' "(\w+)" \$x/<$1>/;        # a comment
$_ = "" if /^gone/;
$_ .= "line $lineno\n" if $lineno == 1;
s/last$/end/
"""


def steps(place: Place) -> list[dict[str, t.Any]]:
    content = "a 'b' \"c\" $x\ngone\nlast"
    return [
        {"mkdir": {"path": "/srv/promises/edit"}},
        {"write": {"dest": FILE, "content": content, "mode": "0640", "owner": "daemon", "group": "adm"}},
        {"link": {"target": "file", "path": "/srv/promises/edit/link"}},
        {"edit": {"path": "/srv/promises/edit/link", "expression": EXPRESSION}},
    ]


def check(root: Path) -> None:
    file = root / FILE[1:]
    assert file.read_text() == "a <c>\nline 1\nend"
    assert (file.stat().st_mode & 0o777, file.stat().st_uid, file.stat().st_gid) == (0o640, 1, 4)
    assert (root / "srv/promises/edit/link").is_symlink()
