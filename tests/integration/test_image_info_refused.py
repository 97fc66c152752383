# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_info of what cannot be read, is damaged, or is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.info import DEFAULT
from ansible_collections.goldsmith.kvm.tests.fixtures import dummy_images
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .plays import run_module
from .test_guest import luks_header, small_system
from .test_image_info import MODULE, info, record_of, said


@pytest.mark.parametrize(
    ("kind", "problem"), [("crypto_LUKS", "is encrypted by LUKS"), ("xfs", "is xfs, which is not read")]
)
def test_what_cannot_be_read_is_told(kind: str, problem: str, tmp_path: Path) -> None:
    disk, made, start = tmp_path / "disk.raw", tmp_path / "made", (2048 + 20480) * 512
    for file, size in ((disk, 320), (made, 300)):
        file.touch()
        os.truncate(file, size * 1024**2)
    script = "label: gpt\nstart=2048, size=20480, type=uefi\nsize=614400, name=system\n"
    subprocess.run(["sfdisk", "--quiet", str(disk)], input=script, text=True, check=True)
    if kind == "xfs":
        make = LocalHost(str(tmp_path)).which("mkfs.xfs")
        if make is None:
            pytest.skip("mkfs.xfs (package xfsprogs) is not installed")
        said(make, "-q", made)
    else:
        made.write_bytes(luks_header())
    with disk.open("r+b") as file, made.open("rb") as content:
        file.seek(start)
        file.write(content.read(1024**2))
    found = run_module(MODULE, path=str(disk), workdir=str(tmp_path))
    assert not found.get("failed"), found
    assert f"partition 2 {problem}" in found["obstacle"]["problem"]
    assert "goldsmith.kvm.image_boot" in found["obstacle"]["way_out"]
    assert [found[part] for part in ("system", "packages", "kernels", "units", "users", "cloud_init")] == [None] * 6
    assert found["partitions"][1]["file_system"]["type"] == kind
    assert found["partitions"][1]["name"] == "system"
    assert any("not everything could be read" in warning for warning in found["warnings"])


def test_a_damaged_file_system(tmp_path: Path) -> None:
    disk = small_system(tmp_path)
    with disk.open("r+b") as file:
        file.seek(34816 * 512 + 1024 * 1024 // 8)
        file.write(b"\xa5" * 8 * 1024**2)
    found = info(disk)
    assert f"the file system on partition 2 of {disk} is damaged: " in found["obstacle"]["problem"]
    assert found["partitions"][0]["file_system"]["label"] == "boot"


def test_a_truncated_image(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    said("qemu-img", "convert", "-f", "raw", "-O", "qcow2", small_system(tmp_path), image)
    Path(f"{image}.json").write_text(json.dumps(record_of(image)))
    os.truncate(image, image.stat().st_size // 2)
    found = info(image, *DEFAULT, "drift")
    assert re.search(r"image\.qcow2 is damaged: qemu-img check finds \d+ errors$", found["obstacle"]["problem"])
    assert found["obstacle"]["way_out"] == "Build or fetch it again"
    assert (found["format"]["format"], found["record"]["fingerprint"]) == ("qcow2", record_of(image)["fingerprint"])
    assert (found["system"], found["packages"]) == (None, None)
    assert found["drift"]["drifted"] is True


def test_a_record_that_is_damaged(tmp_path: Path) -> None:
    image = dummy_images.qcow2(tmp_path / "image.qcow2")
    Path(f"{image}.json").write_text('{"image"')
    assert info(image, "format")["obstacle"] is None
    found = info(image, "format", "record")
    assert (found["format"]["format"], found["record"], found["record_path"]) == ("qcow2", None, None)
    assert f"{image}.json is damaged: it is not JSON" in found["obstacle"]["problem"]
    assert "keep it until then" in found["obstacle"]["way_out"]


def test_no_path_is_not_the_working_directory() -> None:
    assert run_module(MODULE, path="")["msg"] == "path is empty. Give the path of an image."


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "cannot be read: No such file or directory. Look at its name and permissions"),
        ("page", "is not a disk image: it begins with b'<!DOCTYPE html>"),
        ("data_file", "has its data in data.raw, which is not read. Take an image that is whole in itself"),
        ("gone", "/gone.raw, which is not there. Take an image that is whole in itself"),
        ("url", "lies over nbd://192.0.2.1/x, which is no file of this host. Take an image"),
        ("secret", "/secret, which is not a disk image. Take an image that is whole in itself"),
        ("itself", "lies over itself: its backing files lead back to"),
        ("format", "is no vmdk image: it is qcow2"),
        ("directory", "image is no file. Give the path of the image of a disk"),
        ("pipe", "image is no file. Give the path of the image of a disk"),
        ("raw_pipe", "image is no file. Give the path of the image of a disk"),
    ],
)
def test_what_is_refused(name: str, message: str, tmp_path: Path) -> None:
    image = tmp_path / "image"
    secret = tmp_path / "secret"
    secret.write_text("the secret of the host\n" * 100)
    create = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b"]
    backing = {"gone": "gone.raw", "url": "nbd://192.0.2.1/x", "secret": str(secret), "itself": image.name}
    if name == "page":
        dummy_images.not_qcow2(image)
    elif name == "data_file":
        dummy_images.qcow2_with_data_file(image)
    elif name == "format":
        dummy_images.qcow2(image)
    elif name == "directory":
        image.mkdir()
    elif name.endswith("pipe"):
        os.mkfifo(image)
    elif name in backing:
        said(*create, backing[name], image, "16M")
    with pytest.raises(GoldsmithError) as caught:
        info(image, format={"format": "vmdk", "raw_pipe": "raw"}.get(name))
    assert message in str(caught.value)
    assert "the secret of" not in str(caught.value)


def test_a_raw_disk_that_pretends_to_be_another(tmp_path: Path) -> None:
    """What a guest can do to its own disk."""
    disk, secret = small_system(tmp_path), tmp_path / "secret"
    secret.write_text("the secret\n" * 100)
    overlay = tmp_path / "overlay"
    said("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", secret, overlay, "16M")
    whole = bytearray(disk.read_bytes())
    whole[:440] = overlay.read_bytes()[:440]
    disk.write_bytes(whole)
    found = info(disk, format="raw")
    assert found["format"]["format"] == "raw"
    assert found["format"]["backing_chain"] == []
    assert found["system"]["hostname"] == "small"
