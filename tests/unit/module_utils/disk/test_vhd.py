# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.disk.vhd import (
    FOOTER_LENGTH,
    NoFooterError,
    footer_checksum,
    parse_footer,
    refusals,
)

MIB = 1024 * 1024


def footer_of_qemu(path: Path, options: str, size: int = 5 * MIB) -> bytes:
    subprocess.run(["qemu-img", "create", "-q", "-f", "vpc", "-o", options, path, str(size)], check=True)
    return path.read_bytes()[-FOOTER_LENGTH:]


@pytest.fixture(name="footer", scope="module")
def fixture_footer(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return footer_of_qemu(tmp_path_factory.mktemp("vhd") / "fixed.vhd", "subformat=fixed,force_size=on")


def test_the_footer_that_qemu_img_writes(footer: bytes) -> None:
    found = parse_footer(footer)
    assert (found.disk_type, found.current_size, found.original_size) == (2, 5 * MIB, 5 * MIB)
    assert found.checksum == found.expected_checksum
    assert refusals(found, 5 * MIB + FOOTER_LENGTH) == []


@given(at=st.integers(8, FOOTER_LENGTH - 1), bit=st.integers(0, 7))
def test_no_bit_of_the_footer_may_flip(footer: bytes, at: int, bit: int) -> None:
    wrong = bytearray(footer)
    wrong[at] ^= 1 << bit
    assert refusals(parse_footer(bytes(wrong)), 5 * MIB + FOOTER_LENGTH)


@given(st.binary(min_size=FOOTER_LENGTH, max_size=FOOTER_LENGTH))
def test_the_checksum_is_the_complement_of_the_sum_of_all_other_bytes(content: bytes) -> None:
    without = content[:64] + bytes(4) + content[68:]
    assert footer_checksum(content) == footer_checksum(without) == 0xFFFFFFFF - sum(without)


@pytest.mark.parametrize(
    ("options", "size", "said"),
    [
        ("subformat=dynamic", 5 * MIB, "it is not a fixed VHD"),
        ("subformat=fixed,force_size=on", 5 * MIB + 512, "5243392 bytes, is no multiple of 1 MiB"),
        # Without force_size the disk is as large as a geometry of cylinders, heads and sectors can say.
        ("subformat=fixed", 5 * MIB, "is no multiple of 1 MiB"),
    ],
)
def test_what_azure_does_not_take(tmp_path: Path, options: str, size: int, said: str) -> None:
    path = tmp_path / "disk.vhd"
    found = refusals(parse_footer(footer_of_qemu(path, options, size)), path.stat().st_size)
    assert said in " ".join(found)


def test_a_file_that_broke_off(footer: bytes) -> None:
    (said,) = refusals(parse_footer(footer), 4 * MIB + FOOTER_LENGTH)
    assert said == f"its footer states a disk of {5 * MIB} bytes, and the file has {4 * MIB + FOOTER_LENGTH}"


@pytest.mark.parametrize("tail", [b"", bytes(FOOTER_LENGTH), b"conectix", b"conectix" + bytes(FOOTER_LENGTH)])
def test_what_is_no_footer(tail: bytes) -> None:
    with pytest.raises(NoFooterError):
        parse_footer(tail)
