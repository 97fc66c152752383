# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import typing as t
from pathlib import Path

from . import Place

SERVICE = "[Unit]\nDescription=A promise\n\n[Service]\nType=oneshot\nExecStart=/bin/true\n"
WANTED = "\n[Install]\nWantedBy={}\n"
TEMPLATE = f"{SERVICE}ExecStart=/bin/echo %i\n{WANTED.format('multi-user.target')}"


def steps(place: Place) -> list[dict[str, t.Any]]:
    template = place.file("systemd_unit/template", TEMPLATE)
    return [
        {"systemd_unit": unit}
        for unit in [
            {"name": "promise.service", "content": SERVICE + WANTED.format("multi-user.target"), "enabled": True},
            {"name": "promise@.service", "src": template},
            {"name": "promise@a-b.service", "enabled": True},
            {"name": "promise.service", "drop_in": "10-promise.conf", "content": "[Service]\nNice=5\n"},
            {"name": "promise-user.service", "content": SERVICE + WANTED.format("default.target"), "scope": "user"},
            {"name": "promise-user.service", "enabled": True, "scope": "user"},
            {"name": "promise-user.service", "drop_in": "a.conf", "content": "[Service]\nNice=6\n", "scope": "user"},
            {"name": "e2scrub_all.timer", "masked": True, "enabled": False},
            {"name": "promise-masked.service", "masked": True},
            {"name": "promise-masked.service", "masked": False, "content": SERVICE},
        ]
    ]


def check(root: Path) -> None:
    system, user = root / "etc/systemd/system", root / "etc/systemd/user"
    wants = system / "multi-user.target.wants"
    assert (wants / "promise.service").is_symlink()
    assert os.readlink(wants / "promise@a-b.service") == "/etc/systemd/system/promise@.service"
    assert (system / "promise@.service").read_text() == TEMPLATE
    assert (system / "promise.service.d/10-promise.conf").read_text() == "[Service]\nNice=5\n"
    assert (user / "default.target.wants/promise-user.service").is_symlink()
    assert (user / "promise-user.service.d/a.conf").read_text() == "[Service]\nNice=6\n"
    assert os.readlink(system / "e2scrub_all.timer") == "/dev/null"
    assert not (system / "timers.target.wants/e2scrub_all.timer").exists()
    masked = system / "promise-masked.service"
    assert masked.read_text() == SERVICE
    assert not masked.is_symlink()
