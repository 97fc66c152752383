# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

FILE = "/srv/promises/append_line/hosts"


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"mkdir": {"path": "/srv/promises/append_line"}},
        {"append_line": {"path": FILE, "line": "- 'first' $HOME %s \\n ä"}},
        {"append_line": {"path": FILE, "line": ""}},
        {"append_line": {"path": FILE, "line": "last"}},
        {"write": {"dest": f"{FILE}.dos", "content": "one\r\ntwo"}},
        {"append_line": {"path": f"{FILE}.dos", "line": "three"}},
    ]


def check(root: Path) -> None:
    assert (root / FILE[1:]).read_text() == "- 'first' $HOME %s \\n ä\n\nlast\n"
    assert (root / f"{FILE[1:]}.dos").read_bytes() == b"one\r\ntwo\r\nthree\r\n"
