# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import accel
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

REASON = "/dev/kvm is there but QEMU could not start a guest with it (failed to set MSR 0x10a to 0x69)"
WARNING = (
    f"{REASON}: using TCG, expect builds about 20 times slower; repair that, or silence this with accel: tcg"
)  # fmt: skip

needs_qemu = pytest.mark.skipif(
    platform.machine() != "x86_64" or shutil.which("qemu-system-x86_64") is None, reason="needs qemu-system-x86_64"
)


@pytest.mark.parametrize(
    ("wanted", "kvm", "expected"),
    [
        ("auto", accel.Kvm(True), ("kvm", "")),
        ("kvm", accel.Kvm(True), ("kvm", "")),
        ("auto", accel.Kvm(False, REASON), ("tcg", WARNING)),
    ],
)
def test_choose(wanted: str, kvm: accel.Kvm, expected: tuple[str, str]) -> None:
    assert accel.choose(wanted, kvm) == expected


def test_kvm_that_does_not_work_is_an_error_when_asked_for() -> None:
    with pytest.raises(BadRequestError) as caught:
        accel.choose("kvm", accel.Kvm(False, REASON))
    assert str(caught.value) == (
        f"accel: kvm was asked for, but {REASON}. Repair that, or build without it by accel: tcg."
    )


def test_tcg_is_not_found_out(tmp_path: Path) -> None:
    host = LocalHost(str(tmp_path))
    assert accel.decide(host, "tcg") == "tcg"
    assert host.warnings == []


def test_missing_device(tmp_path: Path) -> None:
    assert "is missing (virtualisation is off" in accel.device_reason(str(tmp_path / "kvm"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give its rights up")
@pytest.mark.parametrize(
    ("mode", "gid", "expected"),
    [
        (0o660, 1, "nobody may not use it (add nobody to the group daemon, or use become)"),
        (0o600, 1, "nobody may not use it (its mode is 0600: use become)"),
    ],
)
def test_device_that_is_not_permitted(tmp_path: Path, mode: int, gid: int, expected: str) -> None:
    # Whoever gives its rights up still has to get to the file.
    for directory in (tmp_path, *tmp_path.parents):
        if directory.is_relative_to(tempfile.gettempdir()):
            directory.chmod(directory.stat().st_mode | 0o011)
    device = tmp_path / "kvm"
    device.touch()
    os.chown(device, 0, gid)
    device.chmod(mode)
    os.seteuid(65534)
    try:
        reason = accel.device_reason(str(device))
    finally:
        os.seteuid(0)
    assert reason == f"{device} is there but {expected}"


@needs_qemu
def test_a_guest_that_starts_proves_it(tmp_path: Path) -> None:
    assert accel.start_guest(LocalHost(str(tmp_path)), "qemu-system-x86_64", "tcg") == ""


@needs_qemu
def test_an_accelerator_that_fails_is_named(tmp_path: Path) -> None:
    # QEMU refuses Xen everywhere but below Xen, as it refuses a broken KVM.
    reason = accel.start_guest(LocalHost(str(tmp_path)), "qemu-system-x86_64", "xen")
    assert reason
    assert not reason.startswith("qemu-system-x86_64")


@needs_qemu
def test_probing_this_host(tmp_path: Path) -> None:
    host = LocalHost(str(tmp_path))
    found = accel.probe(host)
    assert found.works is not bool(found.reason)
    assert accel.decide(host, "auto") == ("kvm" if found.works else "tcg")
    assert len(host.warnings) == (0 if found.works else 1)
    assert list(tmp_path.iterdir()) == []
