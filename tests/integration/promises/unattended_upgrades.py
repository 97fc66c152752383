# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from . import Place


def steps(_place: Place) -> list[dict[str, t.Any]]:
    return [
        {
            "unattended_upgrades": {
                "origins": ["security", "origin=goldsmith.kvm tests"],
                "blacklist": ["linux-", "libc6$"],
                "automatic_reboot_time": "03:30",
                "mail": "root",
            }
        }
    ]


def check(root: Path) -> None:
    # The step disable_unattended_upgrades may follow: whether the service is enabled is tested elsewhere.
    text = (root / "etc/apt/apt.conf.d/95goldsmith-unattended-upgrades").read_text()
    assert '    "origin=goldsmith.kvm tests";\n' in text
    for archive in ("", "-security"):
        assert f'    "origin=Ubuntu,archive=${{distro_codename}}{archive}";\n' in text
    assert 'Unattended-Upgrade::Automatic-Reboot "false";\n' in text
