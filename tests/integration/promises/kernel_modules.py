# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

from . import Place


def steps(place: Place) -> list[dict[str, t.Any]]:
    return [
        {
            "kernel_modules": {
                "name": "promises",
                "load": ["loop"],
                "blacklist": ["pcspkr"],
                "disable": ["cramfs", "usb-storage"],
                "options": {"loop": "max_loop=9"},
                "update_initramfs": False,
            }
        },
        {"kernel_modules": {"name": "promises-old", "disable": ["loop"], "update_initramfs": False}},
        {"kernel_modules": {"name": "promises-old", "load": ["loop"]}},
    ]


def check(root: Path) -> None:
    assert (root / "etc/modules-load.d/promises.conf").read_text() == "loop\n"
    assert not (root / "etc/modprobe.d/promises-old.conf").exists()
    argv = ["chroot", root, "modprobe", "--showconfig"]
    config = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    assert {"blacklist pcspkr", "blacklist cramfs", "blacklist usb_storage", "options loop max_loop=9"} <= set(config)
    assert {"install cramfs /bin/false", "install usb_storage /bin/false"} <= set(config)
    (kernel,) = (root / "lib/modules").iterdir()
    argv = ["chroot", root, "modprobe", "--show-depends", "--set-version", kernel.name, "cramfs"]
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip() == "install /bin/false"
