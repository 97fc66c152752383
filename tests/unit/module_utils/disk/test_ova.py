# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tarfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError, StoreError
from ansible_collections.goldsmith.kvm.plugins.module_utils.disk.ova import (
    disk_in,
    disk_name,
    package_name,
    write_package,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.disk.ovf import machine_from

MACHINE = machine_from({}, 13, "machine")
MOMENT = 1_790_000_000


def package(directory: Path, content: bytes, name: str = "web") -> Path:
    disk = directory / f"{name}-disk1.vmdk"
    disk.write_bytes(content)
    path = directory / f"{name}.ova"
    write_package(str(path), name, MACHINE, str(disk), 64 * 1024**2, MOMENT)
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(content=st.binary(max_size=5000))
def test_a_package_holds_what_went_in(tmp_path: Path, content: bytes) -> None:
    path = package(tmp_path, content)
    offset, size = disk_in(str(path))
    assert path.read_bytes()[offset : offset + size] == content
    with tarfile.open(path) as archive:
        assert [member.name for member in archive] == ["web.ovf", "web.mf", "web-disk1.vmdk"]


def test_the_program_tar_reads_it(tmp_path: Path) -> None:
    path = package(tmp_path, os.urandom(100_000))
    listed = subprocess.run(["tar", "-tvf", path, "--utc"], check=True, capture_output=True, text=True).stdout
    assert [line.split()[-1] for line in listed.splitlines()] == ["web.ovf", "web.mf", "web-disk1.vmdk"]
    assert all(line.startswith("-rw-r--r-- 0/0") and "2026-09-21" in line for line in listed.splitlines())
    subprocess.run(["tar", "-xf", path, "-C", tmp_path], check=True)
    for line in (tmp_path / "web.mf").read_text().splitlines():
        name, dummy, digest = line.removeprefix("SHA256(").partition(")= ")
        assert digest == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    magic = path.read_bytes()[257:265]
    assert magic == b"ustar\x0000"


def test_every_part_calls_the_disk_the_same(tmp_path: Path) -> None:
    """Some importers look for the member that the descriptor names as it stands there."""
    path = package(tmp_path, b"disk", "a+b_1.2-3")
    with tarfile.open(path) as archive:
        names = archive.getnames()
        descriptor, manifest = (t.cast(t.IO[bytes], archive.extractfile(name)).read() for name in names[:2])
    assert re.findall(rb'ovf:href="(.*?)"', descriptor) == [names[2].encode()]
    assert re.findall(rb"SHA256\((.*?)\)", manifest) == [names[0].encode(), names[2].encode()]
    assert names == ["a+b_1.2-3.ovf", "a+b_1.2-3.mf", "a+b_1.2-3-disk1.vmdk"]


def test_equal_packages_have_equal_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written.append(package(tmp_path / name, b"disk").read_bytes())
    assert written[0] == written[1]


def test_a_disk_too_large_for_the_archive(tmp_path: Path) -> None:
    disk = tmp_path / "web-disk1.vmdk"
    with disk.open("wb") as file:
        file.truncate(8 * 1024**3)
    with pytest.raises(StoreError, match=r"the compressed disk has 8 GiB, and a file in an OVA has to be smaller"):
        write_package(str(tmp_path / "web.ova"), "web", MACHINE, str(disk), 64 * 1024**3, MOMENT)
    assert not (tmp_path / "web.ova").exists()


@pytest.mark.parametrize(("path", "name"), [("/srv/web.ova", "web"), ("/srv/web-1.2_3+4", "web-1.2_3+4")])
def test_names(path: str, name: str) -> None:
    assert package_name(path) == name
    assert disk_name(path) == f"{name}-disk1.vmdk"


@pytest.mark.parametrize("path", ["/srv/my web.ova", "/srv/.ova", "/srv/a/ä.ova", "/srv/(a).ova", f"/srv/{'a' * 81}"])
def test_names_that_a_manifest_or_an_archive_could_not_hold(path: str) -> None:
    with pytest.raises(BadRequestError, match="the files in an OVA are named after it"):
        package_name(path)
