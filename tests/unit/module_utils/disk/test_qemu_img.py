# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    StoreError,
    VerificationError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.disk import qemu_img
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

MIB = 1024 * 1024


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path) -> LocalHost:
    return LocalHost(str(tmp_path))


def make_qcow2(path: Path, *options: str, size: str = "64M") -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), size], check=True)
    return path


def test_inspect(host: LocalHost, tmp_path: Path) -> None:
    image = make_qcow2(tmp_path / "im:age, with odd\nname.img", "-o", "compression_type=zstd,cluster_size=128k")
    info = qemu_img.inspect(host, str(image), expected_format="qcow2")
    assert (info.format, info.virtual_size, info.cluster_size, info.compression) == ("qcow2", 64 * MIB, 131072, "zstd")
    qemu_img.refuse_foreign_files(info)


def test_a_fixed_vhd_is_not_taken_for_raw(host: LocalHost, tmp_path: Path) -> None:
    image = str(tmp_path / "azure.vhd")
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=fixed,force_size=on", image, "64M"], check=True
    )
    info = qemu_img.inspect(host, image)
    assert (info.format, info.virtual_size) == ("vpc", 64 * MIB)


@pytest.mark.parametrize(
    ("content", "expected_format", "message"),
    [
        (b"<!DOCTYPE html><title>404</title>", "qcow2", r"is no qcow2 image: it begins with b'<!DOCTYPE html>"),
        (b"<!DOCTYPE html><title>404</title>", None, r"is not a disk image: it begins with b'<!DOCTYPE html>"),
        (b"", None, r"is not a disk image: it is empty"),
        (bytes(4096), None, r"is not a disk image: it begins with zeros, and has no partition table"),
        (bytes(510) + b"\x55\xaa" + bytes(4096), "qcow2", r"is no qcow2 image: it is raw"),
        (b"QFI\xfb\0\0\0\x03", "qcow2", r"damaged image: the qcow2 header ends too early"),
    ],
)
def test_what_is_no_image(
    host: LocalHost, tmp_path: Path, content: bytes, expected_format: str | None, message: str
) -> None:
    image = tmp_path / "noble.img"
    image.write_bytes(content)
    with pytest.raises(VerificationError, match=message):
        qemu_img.inspect(host, str(image), expected_format=expected_format)


def test_damaged_qcow2(host: LocalHost, tmp_path: Path) -> None:
    image = make_qcow2(tmp_path / "image.qcow2")
    content = bytearray(image.read_bytes())
    content[40:48] = b"\xff" * 8  # the L1 table's offset
    image.write_bytes(content)
    with pytest.raises(VerificationError, match=r"image\.qcow2 is a damaged qcow2 image: .*L1 table"):
        qemu_img.inspect(host, str(image))


def test_missing_file(host: LocalHost, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nothing\.img cannot be read: No such file"):
        qemu_img.inspect(host, str(tmp_path / "nothing.img"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-u", "-F", "raw", "-b", "/etc/shadow"), "needs the backing file /etc/shadow"),
        (("-o", "data_file=DATA,data_file_raw=on"), "needs the external data file DATA"),
    ],
)
def test_foreign_files_are_refused_unopened(
    host: LocalHost, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    data = tmp_path / "secret"
    image = make_qcow2(tmp_path / "image.qcow2", *(option.replace("DATA", str(data)) for option in options))
    data.unlink(missing_ok=True)  # qemu-img info would fail on it
    info = qemu_img.inspect(host, str(image))
    with pytest.raises(VerificationError, match=re.escape(message.replace("DATA", str(data)))):
        qemu_img.refuse_foreign_files(info)


def test_overlay_and_convert(host: LocalHost, tmp_path: Path) -> None:
    raw, base, overlay = tmp_path / "data.raw", tmp_path / "base.qcow2", tmp_path / "overlay.qcow2"
    raw.write_bytes(bytes(510) + b"\x55\xaa" + b"goldsmith " * MIB)
    qemu_img.convert(host, str(raw), str(base), source_format="raw", compression="none")
    virtual_size = qemu_img.inspect(host, str(base)).virtual_size

    qemu_img.create_overlay(host, str(base), "qcow2", str(overlay), 96 * MIB)
    info = qemu_img.inspect(host, str(overlay))
    assert info.backing_file == str(base)
    with pytest.raises(BadRequestError, match=r"size 1 MiB is less than the base image's 10 MiB"):
        qemu_img.create_overlay(host, str(base), "qcow2", str(tmp_path / "small.qcow2"), MIB)

    for compression in qemu_img.COMPRESSIONS:
        flat = str(tmp_path / f"flat-{compression}.qcow2")
        qemu_img.convert(host, str(overlay), flat, compression=compression)
        qemu_img.check(host, flat)
        info = qemu_img.inspect(host, flat, expected_format="qcow2")
        assert info.virtual_size == 96 * MIB
        qemu_img.refuse_foreign_files(info)
        shown = subprocess.run(
            ["qemu-img", "dd", "-f", "qcow2", "-O", "raw", f"if={flat}", f"of={flat}.raw", "bs=1M", "count=96"],
            check=True,
            capture_output=True,
        )
        assert shown.returncode == 0
        assert Path(f"{flat}.raw").read_bytes()[: raw.stat().st_size] == raw.read_bytes()
        assert (os.stat(flat).st_size < MIB) == (compression != "none")
    assert virtual_size == 10 * MIB + 512


def test_check_finds_damage(host: LocalHost, tmp_path: Path) -> None:
    image = make_qcow2(tmp_path / "image.qcow2")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 0 1M", str(image)], check=True, capture_output=True)
    qemu_img.check(host, str(image))
    content = bytearray(image.read_bytes())
    content[131072:196608] = bytes(65536)  # the refcount block
    image.write_bytes(content)
    with pytest.raises(VerificationError, match=r"is damaged: qemu-img check finds \d+ errors"):
        qemu_img.check(host, str(image))


@pytest.mark.parametrize(("fine", "left"), [(True, False), (False, True)])
def test_single_blocks_are_discarded_in_a_fine_overlay(host: LocalHost, tmp_path: Path, fine: bool, left: bool) -> None:
    base, overlay, raw = tmp_path / "base.qcow2", tmp_path / "overlay.qcow2", tmp_path / "raw"
    make_qcow2(base)
    qemu_img.create_overlay(host, str(base), "qcow2", str(overlay), fine=fine)
    commands = ["write -P 65 64k 64k", "discard 80k 4k"]
    argv = ["qemu-io", "-f", "qcow2", "-d", "unmap", *(word for command in commands for word in ("-c", command))]
    host.run([*argv, str(overlay)]).checked()
    host.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(overlay), str(raw)]).checked()
    content = raw.read_bytes()
    assert content[64 * 1024 : 80 * 1024] == b"A" * 16384
    assert (content[80 * 1024 : 84 * 1024] == b"A" * 4096) is left


def test_a_disk_too_large_for_fine_clusters_gets_an_overlay_all_the_same(host: LocalHost, tmp_path: Path) -> None:
    base, overlay = make_qcow2(tmp_path / "base.qcow2"), tmp_path / "overlay.qcow2"
    qemu_img.create_overlay(host, str(base), "qcow2", str(overlay), 9 * 1024**4, fine=True)
    assert qemu_img.is_grown(host, str(overlay))
