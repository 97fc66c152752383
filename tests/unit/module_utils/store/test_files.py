# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import StoreError
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.files import hash_file

BLOCK = 4096
MIB = 1024 * 1024


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    parts=st.lists(st.tuples(st.integers(0, 3 * MIB // BLOCK), st.binary(max_size=3 * BLOCK)), max_size=6),
    tail=st.integers(0, 3 * MIB),
)
def test_the_digest_of_files_with_holes(tmp_path: Path, parts: list[tuple[int, bytes]], tail: int) -> None:
    path, content = tmp_path / "file", b""
    with path.open("wb") as file:
        for hole, data in parts:
            file.seek(hole * BLOCK, 1)
            file.write(data)
            content += bytes(hole * BLOCK) + data
        file.truncate(len(content) + tail)
    assert hash_file(str(path)) == f"sha256:{hashlib.sha256(content + bytes(tail)).hexdigest()}"


def test_the_digest_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(b"begin" * MIB)
        file.seek(50 * MIB + 17)
        file.write(b"middle")
        file.truncate(120 * MIB + 1)
    said = subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True).stdout
    assert hash_file(str(path)) == f"sha256:{said[:64]}"


def test_what_has_no_size_and_knows_no_holes() -> None:
    content = Path("/proc/version").read_bytes()
    assert hash_file("/proc/version") == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_holes_are_not_read(tmp_path: Path) -> None:
    """A hole costs less than reading it."""
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(512 * MIB)
    began = time.process_time()
    hash_file(str(path))
    hashing = time.process_time() - began
    began = time.process_time()
    digest, block = hashlib.sha256(), bytearray(MIB)
    with path.open("rb", buffering=0) as file:
        while file.readinto(block):
            digest.update(block)
    assert hashing < time.process_time() - began


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read: No such file"):
        hash_file(str(tmp_path / "nothing"))
