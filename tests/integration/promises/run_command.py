# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/run_command"
ODD = "-x 'a' \"$HOME\" `id`\nä"
SECRET = 'it\'s "not" $TOLD `id`\nö'


def steps(place: Place) -> list[dict[str, t.Any]]:
    variables = {"environment": {"PLAIN": ODD, "NUMBER": 14.2}, "secrets": {"TOKEN": SECRET}, "in_image": True}
    return [
        {
            "run_command": {
                "command": f'mkdir -p {DIRECTORY}\necho "$unset" >{DIRECTORY}/plain',
                "network": False,
            }
        },
        {"run_command": {"argv": ["tee", "-a", "--", ODD], "chdir": DIRECTORY, "network": False}},
        {
            "run_command": {
                "command": 'printf "%s|%s|%s|%s" "$PLAIN" "$NUMBER" "$TOKEN" "${FILES-}" >variables',
                "chdir": DIRECTORY,
                "network": False,
                **variables,
            }
        },
    ]


def check(root: Path) -> None:
    assert (root / DIRECTORY[1:] / "plain").is_file()
    assert (root / DIRECTORY[1:] / ODD).read_text() == ""
    assert (root / DIRECTORY[1:] / "variables").read_text() == f"{ODD}|14.2|{SECRET}|"
