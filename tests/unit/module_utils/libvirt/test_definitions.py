# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where definitions are looked for, and that no file can stop the search."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.definitions import read_definitions
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

XML = "<domain><name>db-1</name></domain>"


def write(root: Path, name: str) -> Path:
    path = root / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(XML)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "etc/libvirt/qemu/db-1.xml",
        "run/libvirt/qemu/db-1.xml",
        "var/lib/libvirt/qemu/snapshot/db-1/before.xml",
        "run/user/1000/libvirt/qemu/run/db-1.xml",
        f"{pwd.getpwuid(0).pw_dir}/.config/libvirt/qemu/db-1.xml",
        f"{pwd.getpwuid(0).pw_dir}/.config/libvirt/qemu/lib/snapshot/db-1/before.xml",
    ],
)
def test_where_libvirt_keeps_definitions(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name)

    definitions = read_definitions(LocalHost(str(tmp_path)), str(tmp_path))

    assert [(found.origin, found.xml) for found in definitions.found] == [(str(path), XML)]
    assert definitions.unreadable == ()


@pytest.mark.parametrize("kind", ["fifo", "device", "directory", "endless"])
def test_what_could_stop_the_search_is_told(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, "etc/libvirt/qemu/evil.xml")
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "directory":
        path.mkdir()
    else:
        path.touch()
        os.truncate(path, 2**40)
    write(tmp_path, "etc/libvirt/qemu/sound.xml")

    definitions = read_definitions(LocalHost(str(tmp_path)), str(tmp_path))

    assert len(definitions.found) == 1
    (told,) = definitions.unreadable
    assert told.startswith(f"{path} cannot be read: ")
