# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.disk.header import (
    HEAD_LENGTH,
    DamagedHeaderError,
    Header,
    parse_header,
)


def head_of(path: Path) -> bytes:
    return path.read_bytes()[:HEAD_LENGTH]


def qemu_img(*argv: object) -> None:
    subprocess.run(["qemu-img", *map(str, argv)], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("format_name", "options"),
    [
        ("qcow2", "compat=0.10"),
        ("qcow2", "compat=1.1,compression_type=zstd"),
        ("qcow", ""),
        ("qed", ""),
        ("vdi", ""),
        ("vmdk", "subformat=monolithicSparse"),
        ("vmdk", "subformat=streamOptimized"),
        ("vhdx", ""),
        ("vpc", "subformat=dynamic"),
        ("vpc", "subformat=fixed"),
    ],
)
def test_formats_made_by_qemu_img(tmp_path: Path, format_name: str, options: str) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-q", "-f", format_name, *(["-o", options] if options else []), image, "1M")
    content = image.read_bytes()
    assert parse_header(content[:HEAD_LENGTH], content[-512:]) == Header(format_name)


@pytest.mark.parametrize("options", ["compat=0.10", "compat=1.1"])
def test_backing_file(tmp_path: Path, options: str) -> None:
    name = f"/nowhere/{'n' * 200} ä"
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-o", options, "-F", "raw", "-b", name, tmp_path / "image", "1M")
    assert parse_header(head_of(tmp_path / "image")) == Header("qcow2", backing_file=name)


def test_data_file(tmp_path: Path) -> None:
    data = tmp_path / "data.raw"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw=on", tmp_path / "image", "1M")
    assert parse_header(head_of(tmp_path / "image")) == Header("qcow2", data_file=str(data))


def test_vmdk_with_extents(tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", tmp_path / "image.vmdk", "1M")
    assert parse_header(head_of(tmp_path / "image.vmdk")) == Header("vmdk", extent_files=True)


@pytest.mark.parametrize(
    ("head", "format_name"),
    [
        (b"", ""),
        (b"<!DOCTYPE html><html>" + bytes(600), ""),
        (bytes(70000), ""),
        (bytes(510) + b"\x55\xaa" + bytes(512), "raw"),
        (bytes(1080) + b"\x53\xef" + bytes(512), "raw"),
        (b"hsqs" + bytes(512), "raw"),
    ],
)
def test_raw_is_what_has_a_known_signature(head: bytes, format_name: str) -> None:
    assert parse_header(head) == Header(format_name)


@pytest.mark.parametrize(
    "head",
    [
        b"QFI\xfb",
        b"QFI\xfb" + struct.pack(">I", 3) + bytes(70),
        b"QFI\xfb" + struct.pack(">IQII", 9, 0, 0, 16) + bytes(200),
        b"QFI\xfb" + struct.pack(">IQII", 3, 0, 0, 60) + bytes(200),
        b"QFI\xfb" + struct.pack(">IQII", 2, 1 << 40, 10, 16) + bytes(200),
        b"QFI\xfb" + struct.pack(">IQII", 2, 80, 4000, 16) + bytes(20000),
    ],
)
def test_damaged_qcow2(head: bytes) -> None:
    with pytest.raises(DamagedHeaderError):
        parse_header(head)


@given(st.binary(max_size=400))
def test_no_bytes_make_it_stumble(rest: bytes) -> None:
    for head in (rest, b"QFI\xfb" + rest, b"QFI\xfb" + struct.pack(">IQII", 3, 0, 0, 16) + rest):
        with contextlib.suppress(DamagedHeaderError):
            parse_header(head, rest[-512:])
