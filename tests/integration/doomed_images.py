# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that do not boot, and trying to boot them."""

from __future__ import annotations

import os
import subprocess
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.model import BootError, BootOptions
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows import boot
from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .mounted import mounted

_PATIENCE = 60
_SAY = b"\xbe\x11\x7c\xac\x84\xc0\x74\x06\xb4\x0e\xcd\x10\xeb\xf5"
"""What stands 17 bytes after it, up to a zero: mov si, 0x7c11; next: lodsb; test al, al; jz +6; mov ah, 14; int 16;
jmp next."""
_HALT = b"\xf4\xeb\xfd"
"""Does nothing any more: hlt; jmp -3."""


def silent(directory: Path, name: str = "silent", says: str = "") -> Path:
    """An image whose boot loader says this, and nothing else, ever."""
    path = directory / f"{name}.raw"
    with path.open("wb") as file:
        file.write((_SAY + _HALT + says.encode()).ljust(510, b"\0") + b"\x55\xaa")
        file.truncate(16 * 1024**2)
    return path


def sound_image() -> Path:
    """The test image."""
    return next(image.path for image in reversed(base_image.ensure()) if image.lineage == "server")


def changed_image(directory: Path, change: Callable[[Path], t.Any], label: str = "BOOT") -> Path:
    """The test image, with something done to the file system with this label."""
    path = directory / "changed.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", sound_image(), path]
    subprocess.run(argv, check=True)
    with mounted(path, label, writable=True) as root:
        change(root)
    return path


def processes(directory: Path) -> list[int]:
    """What runs with something in this directory among its arguments."""
    found = subprocess.run(["pgrep", "--full", "--", f"{directory}/boot-"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def until(what: Callable[[], t.Any]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def check(directory: Path, image: Path, image_format: str = "raw", **options: t.Any) -> GoldsmithError:
    """Why an image does not boot. Nothing is left of the attempt."""
    work = directory / "work"
    work.mkdir(exist_ok=True)
    host = LocalHost(str(directory))
    asked = BootOptions(accel="tcg", **{"timeout": 300, **options})
    with pytest.raises(GoldsmithError) as refused:
        boot.check_boot(host, image=str(image), format=image_format, workdir=str(work), options=asked)
    assert os.listdir(work) == []
    until(lambda: processes(work) == [])
    return refused.value


def refused(directory: Path, image: Path, image_format: str = "raw", **options: t.Any) -> BootError:
    error = check(directory, image, image_format, **options)
    assert isinstance(error, BootError), error
    return error
