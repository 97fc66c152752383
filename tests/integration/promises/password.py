# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

from . import Place

SECRET = "c0rrect: 'horse' \"$HOME\" `id` ä"
HASH = "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g."
USERS = ("promisepassword", "promisehash", "promisemethod", "promiseoff", "promiselocked")


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {"run_command": {"command": f"for user in {' '.join(USERS)}; do useradd -M $user; done", "network": False}},
        {"password": {"user": USERS[0], "password": SECRET}},
        {"password": {"user": USERS[1], "password_hash": HASH}},
        {"password": {"user": USERS[2], "password": SECRET, "method": "sha512"}},
        {"password": {"user": USERS[3], "password": SECRET}},
        {"password": {"user": USERS[3], "disabled": True}},
        {"password": {"user": USERS[4], "password_hash": HASH, "locked": True}},
    ]


def check(root: Path) -> None:
    shadow = dict(line.split(":")[:2] for line in (root / "etc/shadow").read_text().splitlines())
    assert shadow[USERS[1]] == HASH
    assert shadow[USERS[3]] == "*"
    assert shadow[USERS[4]] == f"!{HASH}"
    assert shadow[USERS[2]].startswith("$6$")
    for user in (USERS[0], USERS[2]):
        perl = "my ($text, $hash) = @ARGV; exit(crypt($text, $hash) ne $hash)"
        subprocess.run(["perl", "-e", perl, SECRET, shadow[user]], check=True)
