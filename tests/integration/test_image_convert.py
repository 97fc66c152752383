# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_convert with the real qemu-img: what it writes, and when."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import struct
import subprocess
import tarfile
import typing as t
import uuid
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.disk import vhd
from ansible_collections.goldsmith.kvm.tests.fixtures import dummy_images
from ansible_collections.goldsmith.kvm.tests.fixtures.ovf import complaints
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .converting import Converting, content, info, qemu_img
from .fetching import sha256
from .plays import run_tasks

MIB = 1024 * 1024
ODD_SIZE = 16 * MIB + 3 * 512
"""Of the source's disk: no whole number of MiB."""
FORMATS: dict[str, dict[str, t.Any]] = {
    "a.qcow2": {"format": "qcow2"},
    "zlib.qcow2": {"format": "qcow2", "compression": "zlib", "cluster_size": "256K"},
    "old.qcow2": {"format": "qcow2", "compat": "0.10", "compression": "none"},
    "a.raw": {"format": "raw"},
    "full.raw": {"format": "raw", "preallocation": "falloc"},
    "a.vmdk": {"format": "vmdk"},
    "sparse.vmdk": {"format": "vmdk", "subformat": "monolithicSparse", "adapter_type": "ide", "hwversion": 10},
    "a.vhdx": {"format": "vhdx"},
    "block.vhdx": {"format": "vhdx", "block_size": "1M"},
    "a.vhd": {"format": "vhd"},
    "a.ova": {"format": "ova", "machine": {"os": "debian", "memory": "2G"}},
}
ALL = [{"dest": name, **output} for name, output in FORMATS.items()]
QEMU = {"vhd": "vpc"}


@pytest.fixture(name="source", scope="module")
def fixture_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with a partition table, noise, zeros, and data that compress."""
    directory = tmp_path_factory.mktemp("source")
    raw = dummy_images.raw(directory / "disk.raw", 3 * MIB, ODD_SIZE)
    with raw.open("r+b") as file:
        file.seek(510)
        file.write(b"\x55\xaa")
        file.seek(9 * MIB)
        file.write(b"the same again " * 100_000)
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, directory / "disk.qcow2")
    return directory / "disk.qcow2"


@pytest.fixture(name="convert")
def fixture_convert(host: LocalHost, tmp_path: Path, source: Path) -> Converting:
    return Converting(host, tmp_path, source)


def test_every_format_holds_the_disk(convert: Converting, source: Path, tmp_path: Path) -> None:
    before = sha256(source)
    result = convert(*ALL, compare=True, checksum=True)

    disk = content(source, "qcow2", tmp_path)
    for output, asked in zip(result["outputs"], ALL):
        path = convert.path(asked["dest"])
        assert (output["dest"], output["format"]) == (str(path), asked["format"])
        assert output["reasons"] == ["missing", "checksum"]
        assert (output["digest"], output["size"]) == (sha256(path), path.stat().st_size)
        assert output["padding"] == (MIB - 3 * 512 if asked["format"] in ("vhd", "vmdk", "ova") else 0)
        assert output["compared"]
        if asked["format"] == "ova":
            subprocess.run(["tar", "-xf", path, "-C", tmp_path], check=True)
            path, image_format = tmp_path / "a-disk1.vmdk", "vmdk"
        else:
            image_format = QEMU.get(asked["format"], asked["format"])
        found = content(path, image_format, tmp_path)
        assert found[:ODD_SIZE] == disk
        assert found[ODD_SIZE:].strip(b"\0") == b""
        assert len(found) == output["virtual_size"] == ODD_SIZE + output["padding"]
    assert sha256(source) == before
    assert convert.leftovers == []
    subprocess.run(
        ["sha256sum", "--quiet", "-c", *convert.directory.glob("*.sha256")], cwd=convert.directory, check=True
    )


def test_formats_are_as_they_were_asked(convert: Converting) -> None:
    convert(*ALL)
    specific = {
        name: info(convert.path(name), name.rpartition(".")[2]).get("format-specific", {}).get("data", {})
        for name in FORMATS
        if name.endswith(("qcow2", "vmdk"))
    }
    assert (specific["a.qcow2"]["compat"], specific["a.qcow2"]["compression-type"]) == ("1.1", "zstd")
    assert specific["zlib.qcow2"]["compression-type"] == "zlib"
    assert info(convert.path("zlib.qcow2"), "qcow2")["cluster-size"] == 256 * 1024
    assert specific["old.qcow2"]["compat"] == "0.10"
    assert specific["a.vmdk"]["create-type"] == "streamOptimized"
    assert specific["sparse.vmdk"]["create-type"] == "monolithicSparse"
    assert info(convert.path("a.vhdx"), "vhdx")["virtual-size"] == ODD_SIZE
    sizes = {name: convert.path(name).stat().st_blocks * 512 for name in FORMATS}
    assert sizes["a.raw"] < 6 * MIB < ODD_SIZE <= sizes["full.raw"]
    assert sizes["a.vhd"] < 6 * MIB
    assert sizes["a.qcow2"] < sizes["old.qcow2"]
    assert sizes["a.vmdk"] < sizes["sparse.vmdk"]


def test_a_vmdk_names_itself(convert: Converting) -> None:
    """VMware opens a monolithicSparse VMDK by the name that stands in it."""
    convert(*(output for output in ALL if output["format"] in ("vmdk", "ova")))
    for name, kind, hwversion in (("a.vmdk", "lsilogic", 13), ("sparse.vmdk", "ide", 10)):
        text = convert.path(name).read_bytes()[:4096].decode("latin-1")
        assert f'SPARSE "{name}"' in text
        assert f'ddb.adapterType = "{kind}"' in text
        assert f'ddb.virtualHWVersion = "{hwversion}"' in text
    assert b'SPARSE "a-disk1.vmdk"' in convert.path("a.ova").read_bytes()


def test_a_stream_optimized_vmdk_can_be_read_as_a_stream(convert: Converting) -> None:
    """The grains stand in the order of the disk (VMware's Virtual Disk Format 5.0, stream-optimized extents)."""
    convert({"dest": "a.vmdk", "format": "vmdk"})
    data = convert.path("a.vmdk").read_bytes()
    version, flags = struct.unpack_from("<II", data, 4)
    overhead, compression = struct.unpack_from("<Q", data, 64)[0] * 512, struct.unpack_from("<H", data, 77)[0]
    assert (version, flags & 0x30000, compression) == (3, 0x30000, 1)
    at, sectors = overhead, []
    while at + 12 <= len(data):
        sector, size = struct.unpack_from("<QI", data, at)
        if not size:
            break
        sectors.append(sector)
        at += (12 + size + 511) // 512 * 512
    assert len(sectors) > 10
    assert sectors == sorted(sectors)
    capacity, grain = struct.unpack_from("<QQ", data, 12)
    assert (capacity * 512, grain) == (17 * MIB, 128)


def test_a_vhdx_is_dynamic(convert: Converting) -> None:
    """Only blocks with data are in the file, and nothing says that they stay allocated (MS-VHDX 2.6.2.1)."""
    convert(*(output for output in ALL if output["format"] == "vhdx"))
    for name, size in (("a.vhdx", None), ("block.vhdx", MIB)):
        data = convert.path(name).read_bytes()
        region = _entry(data, 192 * 1024, 16, uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e"), "<Q")
        item = _entry(data, region, 32, uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b"), "<I")
        block_size, flags = struct.unpack_from("<II", data, region + item)
        assert flags == 0
        assert size in (None, block_size)
    assert len(data) < ODD_SIZE - 2 * MIB


def _entry(data: bytes, table: int, header: int, kind: uuid.UUID, offset: str) -> int:
    """The offset that a table of a VHDX, whose entries of 32 bytes begin with what they are, has for this kind."""
    at: int = struct.unpack_from(offset, data, data.index(kind.bytes_le, table + header) + 16)[0]
    return at


def test_azure_would_take_the_vhd(convert: Converting) -> None:
    convert({"dest": "a.vhd", "format": "vhd"})
    data = convert.path("a.vhd").read_bytes()
    footer = vhd.parse_footer(data[-512:])
    assert vhd.refusals(footer, len(data)) == []
    assert footer.current_size == 17 * MIB == len(data) - 512
    assert data[-512:-504] == b"conectix"


def test_the_package_is_valid(convert: Converting, tmp_path: Path) -> None:
    machine = {"name": "W & <b>", "description": 'a "quote"', "networks": ["Front", "Back"], "firmware": "uefi"}
    convert({"dest": "web.ova", "format": "ova", "machine": machine})
    with tarfile.open(convert.path("web.ova")) as archive:
        assert archive.getnames() == ["web.ovf", "web.mf", "web-disk1.vmdk"]
    subprocess.run(["tar", "-xf", convert.path("web.ova"), "-C", tmp_path], check=True)
    assert complaints((tmp_path / "web.ovf").read_bytes()) == []
    listed = re.findall(r"^SHA256\((.+)\)= ([0-9a-f]{64})$", (tmp_path / "web.mf").read_text(), re.MULTILINE)
    assert [name for name, dummy in listed] == ["web.ovf", "web-disk1.vmdk"]
    for name, digest in listed:
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest


def test_virt_v2v_reads_the_package(convert: Converting, tmp_path: Path) -> None:
    """An importer by others: it checks the manifest, and tells what machine it has understood."""
    machine = {"name": "Web", "cpus": 3, "memory": "2G", "networks": ["Front", "Back"], "firmware": "uefi"}
    convert({"dest": "web+1.ova", "format": "ova", "machine": machine})
    argv = ["virt-v2v", "--print-source", "-i", "ova", "-o", "null"]
    environ = {**os.environ, "LC_ALL": "C.UTF-8", "LIBGUESTFS_BACKEND": "direct"}
    done = subprocess.run([*argv, convert.path("web+1.ova")], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = re.sub(r"[ \t]+", " ", done.stdout)
    for line in (
        "source name: Web",
        "memory: 2147483648 (bytes)",
        "nr vCPUs: 3",
        "firmware: uefi",
        "0 [scsi]",
        'Bridge "Front" [vmxnet3]',
        'Bridge "Back" [vmxnet3]',
    ):
        assert line in told
    data = bytearray(convert.path("web+1.ova").read_bytes())
    data[-20_000] ^= 1
    wrong = tmp_path / "wrong.ova"
    wrong.write_bytes(data)
    done = subprocess.run([*argv, wrong], env=environ, capture_output=True, text=True, check=False)
    assert "checksum of disk web+1-disk1.vmdk does not match manifest" in done.stderr


@pytest.mark.parametrize("image_format", ["raw", "vmdk", "vhdx", "vpc", "vdi"])
def test_every_format_can_be_the_source(convert: Converting, source: Path, image_format: str) -> None:
    convert.src = convert.directory.parent / "src.img"
    options = ["-o", "subformat=fixed,force_size=on"] if image_format == "vpc" else []
    qemu_img("convert", "-f", "qcow2", "-O", image_format, *options, source, convert.src)
    result = convert({"dest": "a.qcow2", "format": "qcow2"}, compare=True)
    assert result["source"]["format"] == image_format
    qemu_img("compare", "-f", "qcow2", "-F", "qcow2", source, convert.path("a.qcow2"))


# When it writes


def test_the_second_run_changes_nothing_and_reads_no_image(
    convert: Converting, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = convert(*ALL, compare=True, checksum=True)
    before = {name: convert.path(name).stat().st_mtime_ns for name in convert.there}
    read: list[str] = []
    monkeypatch.setattr("builtins.open", _recording(open, read))

    for check_mode in (True, False):
        result = convert(*ALL, compare=True, checksum=True, check_mode=check_mode)
        assert (result["changed"], result["diff"]) == (False, [])
        same = ("dest", "digest", "size", "virtual_size", "padding", "compared", "checksum_file")
        assert [[output[key] for key in same] for output in result["outputs"]] == [
            [output[key] for key in same] for output in first["outputs"]
        ]
    assert {name: convert.path(name).stat().st_mtime_ns for name in convert.there} == before
    assert [path for path in read if path.endswith(tuple(FORMATS))] == []


def _recording(function: t.Any, paths: list[str]) -> t.Any:
    def recorded(file: t.Any, *arguments: t.Any, **options: t.Any) -> t.Any:
        paths.append(str(file))
        return function(file, *arguments, **options)

    return recorded


def test_check_mode_tells_and_writes_nothing(convert: Converting) -> None:
    predicted = convert(*ALL, checksum=True, check_mode=True)
    assert convert.there == []
    assert not convert.store.exists()
    result = convert(*ALL, checksum=True)
    known = ("dest", "format", "changed", "reasons", "virtual_size", "padding", "checksum_file", "record")
    for told, done in zip(predicted["outputs"], result["outputs"]):
        assert [told[key] for key in known] == [done[key] for key in known]
        assert (told["digest"], told["size"]) == (None, None)
    assert predicted["diff"] == result["diff"]
    assert result["diff"][3]["before"] == {}
    after = result["diff"][3]["after"]
    assert (after["source"], after["preallocation"]) == (result["source"]["digest"], "off")


@pytest.mark.parametrize("change", ["source", "options", "modified", "unrecorded", "missing"])
def test_what_is_written_anew(convert: Converting, tmp_path: Path, change: str) -> None:
    output: dict[str, t.Any] = {"dest": "a.vmdk", "format": "vmdk"}
    other = {"dest": "a.vhdx", "format": "vhdx"}
    path = convert.path("a.vmdk")
    convert(output, other, checksum=True)
    if change == "source":
        convert.src = dummy_images.qcow2(tmp_path / "other.qcow2")
    elif change == "options":
        output = {**output, "subformat": "monolithicSparse"}
    elif change == "modified":
        path.write_bytes(path.read_bytes()[:-512])
    elif change == "unrecorded":
        convert.path("a.vmdk.conversion.json").write_text("{}")
    else:
        path.unlink()

    for check_mode in (True, False):
        result = convert(output, other, checksum=True, check_mode=check_mode)
        assert [one["changed"] for one in result["outputs"]] == [True, change == "source"]
        assert result["outputs"][0]["reasons"] == [change, "checksum"]
        assert result["diff"][0]["before_header"] == str(path)
    assert result["outputs"][0]["digest"] == sha256(path)
    qemu_img("compare", "-f", "qcow2", "-F", "vmdk", convert.src, path)
    subprocess.run(["sha256sum", "--quiet", "-c", f"{path}.sha256"], cwd=convert.directory, check=True)
    assert convert(output, other, checksum=True)["changed"] is False


def test_a_touched_file_is_read_again_and_stays(convert: Converting) -> None:
    convert({"dest": "a.raw", "format": "raw"})
    os.utime(convert.path("a.raw"))
    os.utime(convert.src)
    assert convert({"dest": "a.raw", "format": "raw"})["changed"] is False


def test_a_checksum_file_is_written_without_a_conversion(convert: Converting) -> None:
    output = {"dest": "a.vmdk", "format": "vmdk"}
    convert(output)
    written = convert.path("a.vmdk").stat().st_mtime_ns
    checksum = convert.path("a.vmdk.sha256")
    for content_before in (None, "nonsense\n"):
        if content_before is not None:
            checksum.write_text(content_before)
        for check_mode in (True, False):
            result = convert(output, checksum=True, check_mode=check_mode)
            assert result["outputs"][0]["reasons"] == ["checksum"]
        assert checksum.read_text() == f"{sha256(convert.path('a.vmdk'))[7:]}  a.vmdk\n"
        assert convert(output, checksum=True)["changed"] is False
    assert convert.path("a.vmdk").stat().st_mtime_ns == written
    # One that would be wrong of what is written next does not stay.
    convert({**output, "hwversion": 17})
    assert not checksum.exists()


def test_what_was_not_compared_is_compared_when_asked(convert: Converting) -> None:
    outputs = [{"dest": "a.vmdk", "format": "vmdk"}, {"dest": "a.ova", "format": "ova"}]
    assert [output["compared"] for output in convert(*outputs)["outputs"]] == [False, False]
    result = convert(*outputs, compare=True)
    assert (result["changed"], [output["compared"] for output in result["outputs"]]) == (False, [True, True])
    assert json.loads(convert.path("a.ova.conversion.json").read_text())["compared"] is True


def test_owner_and_mode(convert: Converting) -> None:
    options = {"src": str(convert.src), "store": str(convert.store), "checksum": True, "mode": "0640"}
    outputs = [{"dest": str(convert.path("a.raw")), "format": "raw"}]
    task = {"goldsmith.kvm.image_convert": {**options, "outputs": outputs}}
    again = {"goldsmith.kvm.image_convert": {**options, "mode": "0600", "outputs": outputs}}
    first, second, third, fourth = run_tasks([task, task, again, again])
    assert [result["changed"] for result in (first, second, third, fourth)] == [True, False, True, False]
    for name in ("a.raw", "a.raw.sha256"):
        assert stat.S_IMODE(convert.path(name).stat().st_mode) == 0o600
    assert third["outputs"][0]["reasons"] == []


def test_with_ansible_in_check_and_diff_mode(convert: Converting) -> None:
    options = {"src": {"path": str(convert.src), "digest": sha256(convert.src)}, "store": str(convert.store)}
    outputs = [{**output, "dest": str(convert.path(output["dest"]))} for output in ALL]
    task = {"goldsmith.kvm.image_convert": {**options, "outputs": outputs, "parallel": 3}}
    (predicted,) = run_tasks([task], "--check", "--diff")
    first, second = run_tasks([task, task], "--diff")
    assert [result["changed"] for result in (predicted, first, second)] == [True, True, False]
    assert predicted["diff"] == first["diff"]
    assert second["diff"] == []
    assert [output["digest"] for output in second["outputs"]] == [sha256(output["dest"]) for output in outputs]


def test_a_source_that_is_not_there_yet(convert: Converting) -> None:
    convert.src = convert.src.with_name("later.qcow2")
    result = convert({"dest": "a.raw", "format": "raw"}, check_mode=True)
    assert result["changed"] and result["source"]["digest"] is None
    assert any("src is not there yet" in warning for warning in convert.host.warnings)
    nothing = convert({"dest": "a.raw", "format": "raw"}, check_mode=True, src={"path": None, "digest": None})
    assert nothing["source"]["path"] is None
    with pytest.raises(BadRequestError, match=r"src is no file of this host: .*later\.qcow2"):
        convert({"dest": "a.raw", "format": "raw"})
