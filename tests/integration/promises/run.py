# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/run"
PERL = r"""#!/usr/bin/perl -w
open my $out, '>', 'perl' or die;
print $out "$ENV{PLAIN}|$ENV{TOKEN}|", defined $ENV{FILES} ? 'files' : '', "\n";
"""


def steps(place: Place) -> list[dict[str, t.Any]]:
    script = place.file("run/it's a script", PERL)
    plain = place.file("run/plain", 'echo "$PWD $HOME" >/srv/promises/run/plain\n')
    return [
        {"mkdir": {"path": DIRECTORY}},
        {
            "run": {
                "src": script,
                "remote_src": True,
                "chdir": DIRECTORY,
                "environment": {"PLAIN": "it's $HOME"},
                "secrets": {"TOKEN": "two\nlines: `id`"},
                "in_image": True,
                "network": False,
            }
        },
        {"run": {"src": plain, "remote_src": True, "network": False, "timeout": 300}},
    ]


def check(root: Path) -> None:
    assert (root / DIRECTORY[1:] / "perl").read_text() == "it's $HOME|two\nlines: `id`|\n"
    assert (root / DIRECTORY[1:] / "plain").read_text() == "/ /root\n"
