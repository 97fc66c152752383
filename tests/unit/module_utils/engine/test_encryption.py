# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On disks that sfdisk made, read through qcow2 by qemu-img."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.encryption import is_encrypted, partition_starts
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

# The first bytes of a LUKS header, version 1 and 2 alike.
LUKS = b"LUKS\xba\xbe\0\2"


@pytest.mark.parametrize(
    ("table", "sector", "expected"),
    [
        ("", 0, True),
        ("", 8, False),
        ("label: gpt\nstart=2048,size=2048\nstart=10240\n", 10240, True),
        ("label: gpt\nstart=2048,size=2048\nstart=10240\n", 10000, False),
        ("label: dos\nstart=2048,size=2048\nstart=10240\n", 10240, True),
        ("label: dos\nstart=2048,size=2048\nstart=10240\n", 10000, False),
    ],
)
def test_where_a_header_counts(tmp_path: Path, table: str, sector: int, expected: bool) -> None:
    raw, disk = tmp_path / "raw", tmp_path / "a,disk.qcow2"
    with open(raw, "wb") as file:
        file.truncate(16 * 1024**2)
    if table:
        subprocess.run(["sfdisk", "-q", raw], input=table, text=True, check=True)
    with open(raw, "r+b") as file:
        file.seek(sector * 512)
        file.write(LUKS)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, disk], check=True)
    host = LocalHost(str(tmp_path))
    assert is_encrypted(host, str(disk), "qcow2", str(tmp_path)) is expected
    assert is_encrypted(host, str(raw), "raw", str(tmp_path)) is expected


@given(st.binary(max_size=2048), st.sampled_from([b"", b"EFI PART"]))
def test_no_table_makes_it_stumble(content: bytes, signature: bytes) -> None:
    assert all(start >= 0 for start in partition_starts(bytes(512) + signature + content))
    assert all(start >= 0 for start in partition_starts(content))
    assert all(start >= 0 for start in partition_starts(content.ljust(510, b"\1") + b"\x55\xaa"))
