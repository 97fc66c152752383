# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

from ...fixtures.apt_repository import KERNEL_VERSION
from . import Place


def steps(place: Place) -> list[dict[str, t.Any]]:
    source = {"uris": [place.apt_url], "suites": ["stable"], "components": ["main"]}
    return [
        {"apt_repository": {"name": "promise-kernel", **source, "key_src": str(place.keys.apt.armored)}},
        {"kernel": {"package": "linux-goldsmith", "hold": True}},
        {"apt_repository": {"name": "promise-kernel", "state": "absent"}},
    ]


def check(root: Path) -> None:
    configuration = (root / "boot/grub/grub.cfg").read_text()
    default = configuration.partition('set default="gnulinux-advanced-')[2].partition('"')[0]
    uuid, name = default.split(">")
    assert name == f"gnulinux-{KERNEL_VERSION}-advanced-{uuid}"
    assert f"menuentry_id_option '{name}'" in configuration
    assert f"/vmlinuz-{KERNEL_VERSION} root=UUID={uuid} " in configuration
    assert (root / "boot/vmlinuz").readlink() == Path(f"vmlinuz-{KERNEL_VERSION}")
    assert (root / "boot/initrd.img").readlink() == Path(f"initrd.img-{KERNEL_VERSION}")
    status = (root / "var/lib/dpkg/status").read_text()
    for package in ("linux-goldsmith", f"linux-image-{KERNEL_VERSION}"):
        assert f"Package: {package}\nStatus: hold ok installed\n" in status
    assert "Package: linux-image-cloud-amd64\nStatus: install ok installed\n" in status
