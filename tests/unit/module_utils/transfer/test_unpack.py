# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    MissingProgramError,
    StoreError,
    VerificationError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.transfer.sparse import SparseFile
from ansible_collections.goldsmith.kvm.plugins.module_utils.transfer.unpack import Unpacked, unpack
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.small_tmpfs import small_tmpfs

# Random bytes around a hole, and the footer that every VHD ends with.
IMAGE = random.Random(1).randbytes(200_001) + bytes(3_000_000) + random.Random(2).randbytes(100_000)
VHD = IMAGE + b"conectix" + bytes(504)


def zst(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "xz": lzma.compress,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "zst": zst,
}


def tar(members: dict[str, bytes], format: int = tarfile.GNU_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


class Place:
    """Where a file is unpacked."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "place"
        self.directory.mkdir()
        self.source = self.directory / "source"
        self.dest = self.directory / "dest"
        self.host = LocalHost(str(directory))

    def unpack(self, packed: bytes) -> Unpacked | None:
        self.source.write_bytes(packed)
        return unpack(self.host, str(self.source), str(self.dest))

    def check(self, unpacked: Unpacked | None, image: bytes, kind: str) -> None:
        assert self.dest.read_bytes() == image
        assert unpacked == Unpacked("sha256:" + hashlib.sha256(image).hexdigest(), len(image), kind)
        assert self.names() == ["dest", "source"]

    def names(self) -> list[str]:
        return sorted(os.listdir(self.directory))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("image", [IMAGE, b"", b"short"], ids=["image", "empty", "short"])
@pytest.mark.parametrize("kind", COMPRESSORS)
def test_compressed(place: Place, kind: str, image: bytes) -> None:
    place.check(place.unpack(COMPRESSORS[kind](image)), image, kind)


def test_zeros_are_holes(place: Place) -> None:
    place.unpack(gzip.compress(IMAGE))
    assert place.dest.stat().st_blocks * 512 < 600_000


@pytest.mark.parametrize("head", [b"QFI\xfb" + bytes(600), b"", b"BZ", bytes(1000)])
def test_plain(place: Place, head: bytes) -> None:
    assert place.unpack(head) is None
    assert place.names() == ["source"]


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("compression", ["", *COMPRESSORS])
def test_vhd_in_tar(place: Place, compression: str, format: int) -> None:
    packed = tar({"readme": b"hello", "disk.azure.vhd": VHD}, format)
    if compression:
        packed = COMPRESSORS[compression](packed)
    place.check(place.unpack(packed), VHD, f"tar.{compression}".rstrip("."))


def test_sparse_member_as_gnu_tar_writes_it(place: Place) -> None:
    disk = place.directory / "disk.vhd"
    disk.write_bytes(VHD)
    subprocess.run(["fallocate", "--dig-holes", disk], check=True)
    packed = subprocess.run(
        ["tar", "--sparse", "-cz", "-C", place.directory, "disk.vhd"], stdout=subprocess.PIPE, check=True
    ).stdout
    disk.unlink()
    place.check(place.unpack(packed), VHD, "tar.gz")


@pytest.mark.parametrize("name", ["/etc/evil.vhd", "../evil.vhd", "a/../../evil.vhd"])
def test_names_in_tar_do_not_count(place: Place, name: str) -> None:
    place.check(place.unpack(tar({name: VHD})), VHD, "tar")
    assert not (place.directory.parent / "evil.vhd").exists()


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"a.vhd": VHD, "b.VHD": VHD}, r"holds 2 VHD images: a\.vhd, b\.VHD"),
        ({"a.ovf": b"", "b.vmdk": b"x"}, r"holds no VHD image; it holds a\.ovf, b\.vmdk"),
        ({str(number): b"" for number in range(9)}, r"it holds 0, 1, 2, 3, 4 and 4 more"),
    ],
)
def test_tar_without_one_image(place: Place, members: dict[str, bytes], said: str) -> None:
    with pytest.raises(BadRequestError, match=said):
        place.unpack(gzip.compress(tar(members)))
    assert place.names() == ["source"]


def test_link_in_tar_is_no_image(place: Place) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("a.vhd")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(BadRequestError, match="no VHD image"):
        place.unpack(file.getvalue())


def test_vhd_without_footer(place: Place) -> None:
    with pytest.raises(VerificationError, match="footer is missing"):
        place.unpack(tar({"a.vhd": IMAGE}))
    assert place.names() == ["source"]


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_cut_short(place: Place, kind: str) -> None:
    packed = COMPRESSORS[kind](IMAGE)
    with pytest.raises(VerificationError, match=rf"source cannot be unpacked as {kind}"):
        place.unpack(packed[: len(packed) // 2])
    assert place.names() == ["source"]


def test_tar_cut_short(place: Place) -> None:
    with pytest.raises(VerificationError, match="cannot be unpacked as tar"):
        place.unpack(tar({"a.vhd": VHD})[:300_000])


@pytest.mark.parametrize("kind", ["xz", "gz", "zst"])
def test_spoiled(place: Place, kind: str) -> None:
    packed = bytearray(COMPRESSORS[kind](IMAGE))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(VerificationError, match=rf"source cannot be unpacked as {kind}"):
        place.unpack(bytes(packed))


def test_zstd_missing(place: Place) -> None:
    class Bare(LocalHost):
        def which(self, program: str) -> str | None:
            return None

    place.host = Bare(place.host.tmpdir)
    with pytest.raises(MissingProgramError, match="Install the package zstd"):
        place.unpack(zst(IMAGE))


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_disk_full(place: Place, tmp_path: Path, kind: str) -> None:
    with small_tmpfs(tmp_path / "small", "2M") as small:
        place.dest = small / "dest"
        with pytest.raises(StoreError, match=rf"the file system at {small} became full while"):
            place.unpack(COMPRESSORS[kind](b"full " * 1_000_000))
        assert os.listdir(small) == []


def test_no_room_from_the_start(place: Place, tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "small", "1M") as small:
        place.dest = small / "dest"
        with pytest.raises(StoreError, match="is too small"):
            place.unpack(gzip.compress(random.Random(5).randbytes(1_500_000)))


def test_link_in_place_of_dest(place: Place) -> None:
    victim = place.directory / "victim"
    victim.write_bytes(b"precious")
    place.dest.symlink_to(victim)
    with pytest.raises(StoreError, match="cannot be written or read"):
        place.unpack(gzip.compress(IMAGE))
    assert victim.read_bytes() == b"precious"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 200_000)), max_size=6), st.integers(5_000, 300_000))
def test_sparse_file_holds_what_was_written(tmp_path: Path, stretches: list[tuple[bool, int]], step: int) -> None:
    data = b"".join(bytes(length) if zero else random.Random(length).randbytes(length) for zero, length in stretches)
    path = tmp_path / "file"
    file = SparseFile(str(path))
    for begin in range(0, len(data), step):
        file.write(data[begin : begin + step])
    assert file.tail(512) == data[-512:]
    assert file.finish() == "sha256:" + hashlib.sha256(data).hexdigest()
    file.close()
    assert path.read_bytes() == data
