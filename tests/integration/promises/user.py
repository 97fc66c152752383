# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import ctypes.util
import stat
import subprocess
import typing as t
from pathlib import Path

from . import Place

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB o'neil; id"
PASSWORD = "-p:'a\"ss$(id) wörd\\"
HASH = "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1"


def steps(place: Place) -> list[dict[str, t.Any]]:
    comment = "it's $HOME, -x"
    return [
        {"group": {"name": "promisers"}},
        {
            "user": {
                "name": "promise-full",
                "comment": comment,
                "uid": 4250,
                "group": "promisers",
                "groups": ["adm", "users"],
                "home": "/srv/promise home",
                "shell": "/bin/sh",
                "sudo": "nopasswd",
                "authorized_keys": [KEY],
                "password": PASSWORD,
            }
        },
        {"user": {"name": "promise-full", "groups": ["audio"], "authorized_keys": [KEY]}},
        {"user": {"name": "promise-hash", "password_hash": HASH, "sudo": "password"}},
        {"user": {"name": "promise-hash", "password_locked": True, "sudo": "none"}},
        {"user": {"name": "promise-system", "system": True}},
    ]


def entries(root: Path, name: str) -> dict[str, list[str]]:
    lines = (root / "etc" / name).read_text().splitlines()
    return {line.split(":")[0]: line.split(":")[1:] for line in lines}


def crypt(password: str, setting: str) -> str:
    library = ctypes.CDLL(ctypes.util.find_library("crypt"))
    library.crypt.restype = ctypes.c_char_p
    return library.crypt(password.encode(), setting.encode()).decode()


def check(root: Path) -> None:
    users, groups, shadow = (entries(root, name) for name in ("passwd", "group", "shadow"))
    gid = groups["promisers"][1]
    assert users["promise-full"] == ["x", "4250", gid, "it's $HOME, -x", "/srv/promise home", "/bin/sh"]
    assert {name for name, fields in groups.items() if "promise-full" in fields[2].split(",")} == {
        "adm",
        "audio",
        "users",
    }
    assert "promise-full" not in groups
    assert crypt(PASSWORD, shadow["promise-full"][0]) == shadow["promise-full"][0]
    keys = root / "srv/promise home/.ssh/authorized_keys"
    assert keys.read_text() == f"{KEY}\n"
    assert (stat.S_IMODE(keys.stat().st_mode), keys.stat().st_uid, keys.stat().st_gid) == (0o600, 4250, int(gid))
    assert shadow["promise-hash"][0] == f"!{HASH}"
    assert users["promise-hash"][4:] == ["/home/promise-hash", "/bin/bash"]
    assert users["promise-system"][5] == "/usr/sbin/nologin"
    assert int(users["promise-system"][1]) < 1000
    assert shadow["promise-system"][0].startswith("!")
    sudoers = root / "etc/sudoers.d"
    assert (sudoers / "90-goldsmith-promise-full").read_text() == "promise-full ALL=(ALL:ALL) NOPASSWD:ALL\n"
    assert not list(sudoers.glob("*promise-hash*"))
    subprocess.run(["chroot", root, "visudo", "-c", "-q"], check=True)
