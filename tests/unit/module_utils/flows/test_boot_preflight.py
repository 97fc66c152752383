# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import platform
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot import firmware
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.model import BootOptions
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    MissingProgramError,
    StoreError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import accel
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.boot_preflight import preflight, require_log
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.small_tmpfs import small_tmpfs


class BareHost(LocalHost):
    """Has every program but one."""

    lacks = ""

    def which(self, program: str) -> str | None:
        return None if program == self.lacks else f"/usr/bin/{program}"


@pytest.fixture(name="bare")
def fixture_bare(tmp_path: Path) -> BareHost:
    return BareHost(str(tmp_path))


def test_a_boot_that_may_be(bare: BareHost, tmp_path: Path) -> None:
    preflight(bare, BootOptions(accel="tcg", user_data={"runcmd": ["id"]}, console_log=str(tmp_path / "log")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": 16 * 1024**2}, "boot_options.memory is 16 MiB. Give at least 128M"),
        ({"memory": 900 * 1024**4}, "boot_options.memory is 900 TiB, and this host has "),
        ({"cpus": 0}, "boot_options.cpus is 0. Give a number from 1 to 255"),
        ({"cpus": 256}, "boot_options.cpus is 256. Give a number from 1 to 255"),
        ({"timeout": 9}, "boot_options.timeout is 9. Give a number from 10 to 86400"),
        ({"timeout": 10**20}, "boot_options.timeout is 100000000000000000000. Give a number from 10 to 86400"),
        ({"disk_size": 3 * 1024**5}, "boot_options.disk_size is 3 PiB, and a qcow2 holds 2 PiB at the most"),
        ({"ssh_port": 70000}, "boot_options.ssh_port is 70000. Give a number from 1 to 65535"),
        ({"user_data": "runcmd: []\n"}, "user_data does not begin with a line that tells cloud-init what it is"),
        ({"network_config": {"ethernets": {}}}, "network_config has no version"),
        ({"console_log": "/missing/log"}, "the directory of console_log /missing/log does not exist"),
        ({"console_log": "/tmp"}, "console_log /tmp is a directory"),
    ],
)
def test_options_that_cannot_be(bare: BareHost, options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        preflight(bare, BootOptions(**options), prefix="boot_options.")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("program", "package"),
    [
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("qemu-img", "qemu-utils"),
        ("xorriso", "xorriso"),
        ("ssh-keygen", "openssh-client"),
        ("ssh", "openssh-client"),
        ("setsid", "util-linux"),
        ("flock", "util-linux"),
        ("setpriv", "util-linux"),
    ],
)
def test_programs_that_are_missing(bare: BareHost, program: str, package: str) -> None:
    bare.lacks = program
    with pytest.raises(MissingProgramError, match=f"the program {program} .* Install the package {package}"):
        preflight(bare, BootOptions())


def test_firmware_and_kvm_that_are_missing(bare: BareHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A default argument is looked up once, when the module is read.
    monkeypatch.setattr(firmware.find, "__defaults__", (str(tmp_path),))
    with pytest.raises(BadRequestError, match=f"UEFI firmware is missing: {tmp_path} has no"):
        preflight(bare, BootOptions(firmware="uefi"))
    missing = str(tmp_path / "kvm")
    monkeypatch.setattr(accel.probe, "__defaults__", (missing,))
    with pytest.raises(BadRequestError, match=f"accel: kvm was asked for, but {missing} is missing"):
        preflight(bare, BootOptions(accel="kvm"))


def test_other_architectures(bare: BareHost, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadRequestError, match="boot checks are for amd64, and the image is for arm64"):
        preflight(bare, BootOptions(), architecture="arm64")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(BadRequestError, match="boot checks are for amd64, and this host is aarch64"):
        preflight(bare, BootOptions())


@pytest.mark.parametrize(
    ("head", "is_log"),
    [
        (b"", True),
        (b"SeaBIOS\nbooted: \xe2\x9c\x93\n", True),
        (b"x" * 65535 + "✓".encode(), True),
        (b"QFI\xfb\x00\x00\x00\x03", False),
        (b"KDMV\x01\x00\x00\x00", False),
        (b"# Disk DescriptorFile\nversion=1\n", False),
        (bytes(512), False),
        (b"\x1f\x8b\x08\x08", False),
    ],
)
def test_only_a_log_is_replaced_by_a_log(tmp_path: Path, head: bytes, is_log: bool) -> None:
    path = tmp_path / "there"
    path.write_bytes(head)
    if is_log:
        require_log(str(path), "")
        return
    with pytest.raises(BadRequestError, match=r"console_log .*there is there, and is no text: the log would replace"):
        require_log(str(path), "")


def test_the_most_that_may_be(bare: BareHost) -> None:
    preflight(bare, BootOptions(accel="tcg", cpus=255, timeout=86400, disk_size=2 * 1024**5))


def test_a_store_that_cannot_be_written(bare: BareHost, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("missing")

    def refused(workdir: Path) -> str:
        with pytest.raises(StoreError) as found:
            preflight(bare, BootOptions(accel="tcg"), image="/image", workdir=str(workdir))
        return str(found.value)

    for name in ("file", "dangling"):
        workdir = tmp_path / name / "store" / "boots"
        assert f"{workdir} cannot be made: {tmp_path / name} is no directory" in refused(workdir)
    assert "a boot of /image needs 64 MiB in /proc, and 0 B are free there" in refused(Path("/proc/store/boots"))
    with small_tmpfs(tmp_path / "small", "1m") as small:
        assert f"a boot of /image needs 64 MiB in {small}, and" in refused(small / "boots")
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        assert f"{small / 'boots'} cannot be written: this user may not write {small}" in refused(small / "boots")
    preflight(bare, BootOptions(accel="tcg"), image="/image", workdir=str(tmp_path / "a" / "b"))
    assert not (tmp_path / "a").exists()


def test_an_image_and_links_and_devices_are_never_replaced_by_a_log(tmp_path: Path, bare: BareHost) -> None:
    image, link, other, pipe = (tmp_path / name for name in ("image", "link", "other", "pipe"))
    # An image may be anything.
    image.write_text("text\n")
    link.symlink_to("image")
    os.link(image, other)
    os.mkfifo(pipe)
    for path, what in ((image, "the image itself"), (other, "the image itself"), (link, "a symbolic link")):
        with pytest.raises(BadRequestError, match=f"{path} is there, and is {what}"):
            preflight(bare, BootOptions(accel="tcg", console_log=str(path)), image=str(image))
    with pytest.raises(BadRequestError, match="pipe is there, and is no regular file"):
        require_log(str(pipe), str(image))


def test_a_log_in_a_directory_that_cannot_be_written(bare: BareHost, tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "logs", "1m") as logs:
        subprocess.run(["mount", "-o", "remount,ro", logs], check=True)
        with pytest.raises(BadRequestError, match=r"console_log .* cannot be written: this user may not write its dir"):
            preflight(bare, BootOptions(console_log=str(logs / "console.txt")))
