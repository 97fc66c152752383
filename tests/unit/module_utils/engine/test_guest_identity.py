# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine-id of an image, by the scripts themselves on a directory in the place of its root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.guest_identity import (
    NOTE_IDENTITY,
    RESTORE_IDENTITY,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.generalise_scripts import MACHINE_ID

ID = "0123456789abcdef0123456789abcdef\n"
OTHER = "fedcba9876543210fedcba9876543210\n"
NONE: tuple[str | None, ...] = (None, "", "\n", "uninitialized\n", "uninitialized")
LINK = "-> "
TO_ETC = f"{LINK}/etc/machine-id"

SETUP = "echo 0123456789abcdef0123456789abcdef >/etc/machine-id\n"
"""What systemd-machine-id-setup does in the postinst of systemd; the id of virt-customize stays, if there is one."""
UUIDGEN = "rm -f /var/lib/dbus/machine-id\ncp /etc/machine-id /var/lib/dbus/machine-id\n"


def put(path: Path, content: str | None, root: Path) -> None:
    if content is not None and content.startswith(LINK):
        path.symlink_to(f"{root}{content[len(LINK) :]}")
    elif content is not None:
        path.write_text(content)


def found(path: Path, root: Path) -> str | None:
    if path.is_symlink():
        return LINK + os.readlink(path).replace(str(root), "")
    return path.read_text() if path.exists() else None


def build(
    root: Path, shell: str, etc: str | None, dbus: str | None, steps: str, *, fills: bool
) -> tuple[str | None, str | None]:
    """What etc and dbus have after a build; ``fills``: virt-customize fills an empty machine-id."""
    for name in ("etc", "var/lib/dbus"):
        (root / name).mkdir(parents=True)
    put(root / "etc/machine-id", etc, root)
    put(root / "var/lib/dbus/machine-id", dbus, root)
    for path in (root / "etc/machine-id", root / "var/lib/dbus/machine-id"):
        if path.exists():
            os.utime(path, (1, 1))
    booted = root / "booted"
    booted.touch()
    os.utime(booted, (1000, 1000))
    if fills and etc == "":
        (root / "etc/machine-id").write_text(OTHER)
    library = 'changed_now() { [ ! "$1" -ot /booted ]; }\n'
    script = "".join(["set -eu\n", library, NOTE_IDENTITY, steps, RESTORE_IDENTITY])
    for name in ("/etc/", "/var/lib/", "/booted"):
        script = script.replace(name, f"{root}{name}")
    script = script.replace('directory" != /var/lib', f'directory" != {root}/var/lib')
    subprocess.run([*shell.split(), "-c", script], check=True)
    return found(root / "etc/machine-id", root), found(root / "var/lib/dbus/machine-id", root)


@pytest.mark.parametrize("shell", ["dash", "bash --posix"])
@pytest.mark.parametrize("fills", [True, False])
@pytest.mark.parametrize("dbus", [None, "", TO_ETC])
@pytest.mark.parametrize("etc", NONE)
@pytest.mark.parametrize("steps", ["", SETUP, f"rm -f /etc/machine-id\n{SETUP}", SETUP + UUIDGEN])
def test_an_image_without_an_id_stays_one(
    tmp_path: Path, etc: str | None, dbus: str | None, steps: str, shell: str, fills: bool
) -> None:
    etc_after, dbus_after = build(tmp_path, shell, etc, dbus, steps, fills=fills)
    # An empty line is no id either.
    assert (etc_after or "").strip() == (etc or "").strip()
    assert (etc_after is None) == (etc is None)
    assert dbus_after == (TO_ETC if UUIDGEN in steps else dbus)


@pytest.mark.parametrize("dbus", [None, ID, OTHER, TO_ETC])
def test_an_id_of_the_base_stays(tmp_path: Path, dbus: str | None) -> None:
    assert build(tmp_path, "dash", ID, dbus, "", fills=True) == (ID, dbus)


def test_an_id_that_only_dbus_has_stays(tmp_path: Path) -> None:
    assert build(tmp_path, "dash", "", OTHER, SETUP, fills=True) == ("", OTHER)


@pytest.mark.parametrize(("steps", "expected"), [(": >/etc/machine-id\n", ""), ("rm /etc/machine-id\n", None)])
@pytest.mark.parametrize("etc", [ID, "", "uninitialized\n"])
def test_a_step_may_take_the_id_away(tmp_path: Path, etc: str, steps: str, expected: str | None) -> None:
    assert build(tmp_path, "dash", etc, None, steps, fills=True) == (expected, None)


def test_a_link_that_a_step_made_is_no_way_around(tmp_path: Path) -> None:
    steps = f"{SETUP}mv /etc/machine-id /var/lib/dbus/machine-id\nln -s /var/lib/dbus/machine-id /etc/machine-id\n"
    assert build(tmp_path, "dash", "uninitialized\n", None, steps, fills=True) == ("uninitialized\n", TO_ETC)


@pytest.mark.parametrize("shell", ["dash", "bash --posix"])
@pytest.mark.parametrize("dbus", [None, "", ID, OTHER, TO_ETC])
@pytest.mark.parametrize("etc", [None, "", "uninitialized\n", ID])
@pytest.mark.parametrize("steps", ["", SETUP, SETUP + UUIDGEN])
def test_generalise_leaves_it_there_and_empty(
    tmp_path: Path, etc: str | None, dbus: str | None, steps: str, shell: str
) -> None:
    etc_after, dbus_after = build(tmp_path, shell, etc, dbus, steps + MACHINE_ID, fills=True)
    assert etc_after == ""
    assert dbus_after == (TO_ETC if dbus is not None or UUIDGEN in steps else None)
