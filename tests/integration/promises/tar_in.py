# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import tarfile
import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/tar_in"
ODD = "top/two\nlines"


def steps(place: Place) -> list[dict[str, t.Any]]:
    into = {"remote_src": True, "dest": DIRECTORY}
    return [
        {"mkdir": {"path": DIRECTORY, "mode": "0711"}},
        {"mkdir": {"path": f"{DIRECTORY}/real"}},
        {"link": {"target": "real", "path": f"{DIRECTORY}/lib"}},
        *({"tar_in": {"src": place.file(f"tar_in/it's.{c}", archive(c)), **into}} for c in ("", "gz", "xz")),
        {
            "tar_in": {
                "src": place.file("tar_in/stripped", archive("gz")),
                "strip_components": 1,
                "owner": "daemon",
                "group": "adm",
                **into,
            }
        },
    ]


def check(root: Path) -> None:
    directory = root / DIRECTORY[1:]
    assert directory.stat().st_mode & 0o777 == 0o711
    assert directory.stat().st_uid == 0
    assert (directory / "lib").is_symlink()
    assert (directory / "real/inside").is_file()
    for name, expected in {"": (1234, 2345), "gz": (1234, 2345), "xz": (1234, 2345)}.items():
        found = (directory / f"top/program{name}").stat()
        assert (found.st_mode & 0o7777, found.st_uid, found.st_gid, found.st_mtime) == (0o4755, *expected, 1e9)
    assert (directory / ODD).is_file()
    stripped = (directory / "two\nlines").stat()
    assert (stripped.st_uid, stripped.st_gid) == (1, 4)


def archive(compression: str) -> bytes:
    """An archive that says who owns the directory that it is unpacked in."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=f"w:{compression}") as file:
        for name in ("./", "top", f"top/program{compression}", ODD, "lib", "lib/inside"):
            member = tarfile.TarInfo(name)
            member.type = tarfile.REGTYPE if "program" in name or name in {ODD, "lib/inside"} else tarfile.DIRTYPE
            member.mode, member.uid, member.gid, member.mtime = 0o4755, 1234, 2345, 10**9
            file.addfile(member)
    return target.getvalue()
