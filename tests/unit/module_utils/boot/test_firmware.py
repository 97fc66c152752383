# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.firmware import (
    HEAD_SECTORS,
    SECTOR,
    choose,
    has_esp,
    prepare,
    read_head,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.qemu import Uefi
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

GPT_WITH_ESP = "label: gpt\nsize=1MiB, type=21686148-6449-6E6F-744E-656564454649\nsize=1MiB, type=uefi\n"
GPT_WITHOUT = "label: gpt\nsize=1MiB, type=linux\n"
MBR_WITH_ESP = "label: dos\nsize=1MiB, type=ef\n"


def disk(path: Path, table: str, boot_code: bytes = b"") -> Path:
    with path.open("wb") as file:
        file.truncate(8 * 1024**2)
    subprocess.run(["sfdisk", "-q", path], input=table, text=True, check=True)
    with path.open("r+b") as file:
        file.write(boot_code)
    return path


@pytest.mark.parametrize(
    ("table", "boot_code", "chosen"),
    [
        (GPT_WITH_ESP, b"", "uefi"),
        (GPT_WITH_ESP, b"\xeb\x63", "bios"),
        (GPT_WITHOUT, b"", "bios"),
        (MBR_WITH_ESP, b"", "uefi"),
        (MBR_WITH_ESP, b"\xeb\x63", "bios"),
    ],
)
@pytest.mark.parametrize("image_format", ["raw", "qcow2", "vmdk"])
def test_auto(table: str, boot_code: bytes, chosen: str, image_format: str, tmp_path: Path) -> None:
    image = tmp_path / "image"
    raw = disk(tmp_path / "disk.raw", table, boot_code)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", image_format, raw, image], check=True)
    head = read_head(LocalHost(str(tmp_path)), str(image), image_format, str(tmp_path))
    assert len(head) == HEAD_SECTORS * SECTOR
    assert choose(head) == chosen
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.raw", "image"]


@given(st.binary(max_size=4 * SECTOR), st.tuples(*[st.integers(0, 2**32 - 1)] * 3))
def test_no_head_is_too_strange(head: bytes, entries: tuple[int, int, int]) -> None:
    choose(head)
    gpt = bytes(SECTOR) + b"EFI PART".ljust(72, b"\0") + struct.pack("<QII", *entries)
    has_esp(gpt + head)


def test_ovmf(tmp_path: Path) -> None:
    ovmf = tmp_path / "ovmf"
    ovmf.mkdir()
    with pytest.raises(BadRequestError, match=r"UEFI firmware is missing: .*/ovmf has no OVMF_CODE_4M\.fd") as refused:
        prepare(str(tmp_path), str(ovmf))
    assert "Install the package ovmf, or boot with firmware: bios" in str(refused.value)
    for name in ("OVMF_CODE.fd", "OVMF_VARS.fd", "OVMF_CODE_4M.fd"):
        (ovmf / name).write_text(name)
    assert prepare(str(tmp_path), str(ovmf)).code == f"{ovmf}/OVMF_CODE.fd"
    (ovmf / "OVMF_VARS_4M.fd").write_text("fresh")
    found = prepare(str(tmp_path), str(ovmf))
    assert found == Uefi(f"{ovmf}/OVMF_CODE_4M.fd", f"{tmp_path}/variables.fd")
    assert Path(found.variables).read_text() == "fresh"
