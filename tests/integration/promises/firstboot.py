# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
import typing as t
from pathlib import Path

from . import Place

UNIT = "etc/systemd/system/goldsmith-firstboot.service"
TEXT = "#!/bin/sh -e\necho 'promise of firstboot kept'\n"


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"firstboot": {"name": "promise-text", "script": TEXT}},
        {"firstboot": {"name": "promise-file", "src": place.file("firstboot/script", "true 'ä' $$\n")}},
    ]


def scripts(root: Path, name: str) -> list[Path]:
    """Scripts of this name, in their order."""
    return sorted((root / "var/lib/goldsmith/firstboot").glob(f"[0-9][0-9][0-9][0-9]-{name}"))


def check(root: Path) -> None:
    (text,) = scripts(root, "promise-text")
    (file,) = scripts(root, "promise-file")
    assert text.read_text() == TEXT
    assert file.read_text() == "true 'ä' $$\n"
    assert stat.S_IMODE(text.stat().st_mode) == stat.S_IMODE(file.stat().st_mode) == 0o755
    assert int(file.name[:4]) == int(text.name[:4]) + 1
    assert "After=network-online.target" in (root / UNIT).read_text()
    wanted = root / "etc/systemd/system/multi-user.target.wants/goldsmith-firstboot.service"
    assert wanted.readlink() == Path("/") / UNIT
    assert (root / "usr/local/sbin/goldsmith-firstboot").stat().st_mode & 0o111
