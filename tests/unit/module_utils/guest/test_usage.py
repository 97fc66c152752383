# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How full file systems are, compared with what their own tools say."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.guest.usage import HEAD, Usage, usage_of
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost


def made(disk: Path, mebibytes: int, *argv: str) -> Usage | None:
    """What is told of a file system that this command makes."""
    disk.touch()
    os.truncate(disk, mebibytes * 1024**2)
    said(*argv, str(disk))
    return told(disk)


def said(program: str, *arguments: str) -> str:
    path = LocalHost("").which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return subprocess.run([path, *arguments], check=True, capture_output=True, text=True).stdout


def told(disk: Path) -> Usage | None:
    kind = said("blkid", "-p", "-o", "value", "-s", "TYPE", str(disk)).strip()
    with disk.open("rb") as file:
        return usage_of(kind, file.read(HEAD))


def numbers(text: str, *patterns: str) -> list[int]:
    found = [re.search(pattern, text, re.MULTILINE) for pattern in patterns]
    return [int(match[1]) for match in found if match]


@pytest.mark.parametrize(
    "options",
    [
        ("-t", "ext4"),
        ("-t", "ext4", "-b", "1024", "-m", "0"),
        ("-t", "ext4", "-O", "^64bit"),
        ("-t", "ext4", "-O", "bigalloc"),
        (
            "-t",
            "ext3",
        ),
        ("-t", "ext2", "-b", "2048"),
    ],
)
def test_ext(options: tuple[str, ...], tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.mkdir()
    (content / "file").write_bytes(os.urandom(3 * 1024**2))
    found = made(tmp_path / "disk", 40, "mke2fs", "-q", "-F", *options, "-d", str(content))
    said_of = said("dumpe2fs", "-h", str(tmp_path / "disk"))
    fields = (r"^Block size: +(\d+)$", r"^Block count: +(\d+)$", r"^Free blocks: +(\d+)$")
    size, blocks, free = numbers(said_of, *fields)
    assert found == Usage(blocks * size, (blocks - free) * size, free * size, clean=True)
    assert found.used > 3 * 1024**2


def test_fat(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    found = made(disk, 64, "mkfs.vfat", "-F", "32", "-s", "1")
    text = said("fsck.vfat", "-n", "-v", str(disk))
    size, used, clusters = numbers(text, r"(\d+) bytes per cluster", r" files, (\d+)/\d+ clusters", r"/(\d+) clusters")
    assert found == Usage(clusters * size, used * size, (clusters - used) * size)
    assert made(disk, 64, "mkfs.vfat", "-F", "16") is None


def test_xfs(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    found = made(disk, 300, "mkfs.xfs", "-q", "-f")
    text = said("xfs_db", "-r", "-c", "sb 0", "-c", "print blocksize dblocks fdblocks", str(disk))
    size, blocks, free = numbers(text, r"^blocksize = (\d+)", r"^dblocks = (\d+)", r"^fdblocks = (\d+)")
    assert found == Usage(blocks * size, (blocks - free) * size, free * size)
    assert 0 < found.free < found.size <= 300 * 1024**2


def test_btrfs(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    found = made(disk, 128, "mkfs.btrfs", "-q")
    text = said("btrfs", "inspect-internal", "dump-super", str(disk))
    size, used = numbers(text, r"^total_bytes\s+(\d+)", r"^bytes_used\s+(\d+)")
    assert found == Usage(size, used, size - used)
    assert 0 < used < size == 128 * 1024**2


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "vfat", "ntfs", "swap"])
@pytest.mark.parametrize("head", [b"", b"\xff" * HEAD, bytes(HEAD)])
def test_what_contradicts_itself_is_not_told(kind: str, head: bytes) -> None:
    assert usage_of(kind, head) is None
