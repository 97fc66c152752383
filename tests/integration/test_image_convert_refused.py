# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What image_convert refuses: sources that are none, and places where nothing may be written."""

from __future__ import annotations

import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    GoldsmithError,
    StoreError,
    VerificationError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.convert_plan import working_directory
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.tests.fixtures import dummy_images
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .converting import Converting, content, qemu_img
from .fetching import sha256


@pytest.fixture(name="source")
def fixture_source(tmp_path: Path) -> Path:
    return dummy_images.qcow2(tmp_path / "source.qcow2")


@pytest.fixture(name="convert")
def fixture_convert(host: LocalHost, tmp_path: Path, source: Path) -> Converting:
    return Converting(host, tmp_path, source)


@pytest.mark.parametrize(
    ("src", "said"),
    [
        ({"pth": "x"}, "src.pth is not a key of src; path is"),
        ({"size": 1}, "src has no path"),
        (["a"], "src is neither a path nor an image"),
        ({"path": "/a", "digest": "md5:1"}, "the digest of src is not sha256:"),
    ],
)
def test_a_source_that_is_none(convert: Converting, src: t.Any, said: str) -> None:
    with pytest.raises(BadRequestError, match=re.escape(said)):
        convert({"dest": "a.raw", "format": "raw"}, src=src)


def test_another_source_than_was_demanded(convert: Converting) -> None:
    with pytest.raises(VerificationError, match=r"is not what was asked for: its digest is sha256:"):
        convert({"dest": "a.raw", "format": "raw"}, src={"path": str(convert.src), "digest": f"sha256:{'0' * 64}"})
    assert convert.there == []


def test_an_overlay_only_when_it_is_ones_own(convert: Converting, source: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", source, overlay, "32M")
    subprocess.run(["qemu-io", "-c", "write -P 7 20M 1M", overlay], check=True, capture_output=True)
    convert.src = overlay
    output = {"dest": "a.raw", "format": "raw"}
    with pytest.raises(VerificationError, match="needs the backing file"):
        convert(output)
    result = convert(output, backing_files=True, compare=True)
    assert convert.path("a.raw").read_bytes() == content(overlay, "qcow2", tmp_path)
    assert result["source"]["digest"] != sha256(overlay)
    assert convert(output, backing_files=True)["changed"] is False
    # What lies below counts as well.
    shutil.copy(source, tmp_path / "base.qcow2")
    qemu_img("rebase", "-u", "-F", "qcow2", "-b", tmp_path / "base.qcow2", overlay)
    assert convert(output, backing_files=True)["outputs"][0]["reasons"] == ["source"]
    dummy_images.qcow2(tmp_path / "base.qcow2")
    assert convert(output, backing_files=True)["outputs"][0]["reasons"] == ["source"]


def test_what_the_source_lies_over_is_not_replaced(convert: Converting, source: Path, tmp_path: Path) -> None:
    """By whatever name: a directory that is mounted twice shows a file under two, as a hard link does."""
    convert.src, middle = tmp_path / "overlay.qcow2", tmp_path / "middle.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", source, middle)
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", middle, convert.src)
    convert.directory.mkdir()
    names = {convert.path(path.name): path for path in (source, middle, convert.src)}
    for name, path in names.items():
        name.hardlink_to(path)
    before = {path: sha256(path) for path in names.values()}
    for dest in (source, middle, *names):
        for check_mode in (True, False):
            with pytest.raises(StoreError, match=rf"{dest} is a file of the source, and whatever else lies over it"):
                convert({"dest": str(dest), "format": "raw"}, backing_files=True, check_mode=check_mode)
    assert {path: sha256(path) for path in before} == before


@pytest.mark.parametrize("ending", [".sha256", ".sha256.asc", ".conversion.json"])
def test_what_is_written_beside_an_output_replaces_nothing_of_the_source(
    convert: Converting, source: Path, tmp_path: Path, ending: str
) -> None:
    convert.src = tmp_path / f"overlay{ending}"
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", source, convert.src)
    source.rename(tmp_path / f"base{ending}")
    qemu_img("rebase", "-u", "-F", "qcow2", "-b", tmp_path / f"base{ending}", convert.src)
    convert.directory.mkdir()
    convert.path(f"linked{ending}").hardlink_to(convert.src)
    before = {path: sha256(path) for path in tmp_path.glob("*/*") if path.is_file()}
    for dest in (tmp_path / "overlay", tmp_path / "base", convert.path("linked")):
        for check_mode in (True, False):
            with pytest.raises(GoldsmithError, match=rf"{dest}{ending} belongs to the source, and would be replaced"):
                convert({"dest": str(dest), "format": "raw"}, backing_files=True, check_mode=check_mode)
    assert {path: sha256(path) for path in before} == before


def test_the_source_is_not_cleared_away_as_a_leftover(convert: Converting, source: Path) -> None:
    convert.src = Path(working_directory(Layout(str(convert.store)), str(convert.path("a.raw")))) / "a.raw"
    convert.src.parent.mkdir(parents=True)
    source.rename(convert.src)
    with pytest.raises(StoreError, match=rf"{convert.src} belongs to the source"):
        convert({"dest": "a.raw", "format": "raw"})
    assert convert.src.exists()


@pytest.mark.parametrize("ending", [".sha256", ".sha256.asc", ".conversion.json"])
def test_what_is_written_beside_an_output_is_no_other_output(convert: Converting, ending: str) -> None:
    outputs = [{"dest": "a", "format": "raw"}, {"dest": f"a{ending}", "format": "qcow2"}]
    first, second = (convert.path(output["dest"]) for output in outputs)
    for given in (outputs, outputs[::-1]):
        with pytest.raises(
            BadRequestError, match=rf"{second} is an output, and also a name beside the output {first}\. "
        ):
            convert(*given, check_mode=True)


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_directory_with_the_name_of_a_checksum_file(convert: Converting, check_mode: bool) -> None:
    convert.path("a.raw.sha256").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"a\.raw\.sha256 is a directory, and has the name of a file beside"):
        convert({"dest": "a.raw", "format": "raw"}, checksum=True, check_mode=check_mode)
    assert convert.there == ["a.raw.sha256"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("not_qcow2", "is not a disk image"), ("qcow2_with_data_file", "needs the external data file")],
)
def test_what_is_no_image_to_convert(convert: Converting, tmp_path: Path, name: str, said: str) -> None:
    convert.src = getattr(dummy_images, name)(tmp_path / "src" / "image.qcow2")
    with pytest.raises(GoldsmithError, match=said):
        convert({"dest": "a.raw", "format": "raw"}, backing_files=True)


def test_places_where_nothing_is_written(convert: Converting, source: Path, tmp_path: Path) -> None:
    convert.directory.mkdir()
    convert.path("directory").mkdir()
    convert.path("link").symlink_to("elsewhere")
    golden = convert.path("golden.qcow2")
    shutil.copy(source, golden)
    Path(f"{golden}.json").write_text('{"fingerprint": "sha256:1", "recipe": {}}')
    for dest, said in {
        "directory": "outputs[0].dest is a directory",
        "link": "is a link to elsewhere",
        "golden.qcow2": "is a golden image",
        str(source): "outputs[0].dest is the source itself",
        "a" * 201: "outputs[0].dest has too long a name",
    }.items():
        with pytest.raises(GoldsmithError, match=re.escape(said)):
            convert({"dest": dest, "format": "raw"})
    with pytest.raises(BadRequestError, match=r"outputs\[1\]\.dest is that of another output"):
        convert({"dest": "a", "format": "raw"}, {"dest": "directory/../a", "format": "vhd"})
    with pytest.raises(BadRequestError, match="outputs is empty"):
        convert()
    with pytest.raises(BadRequestError, match="parallel is 0"):
        convert({"dest": "a", "format": "raw"}, parallel=0)
    assert sha256(golden) == sha256(source)


def test_the_disk_of_a_domain_is_not_replaced(convert: Converting, tmp_path: Path) -> None:
    output = {"dest": "disk.raw", "format": "raw"}
    convert(output)
    disk = convert.path("disk.raw")
    with disk.open("r+b") as file:
        file.write(b"a guest was here")
    definition = convert.root / "etc/libvirt/qemu/db-1.xml"
    definition.parent.mkdir(parents=True)
    definition.write_text(
        "<domain type='kvm'><name>db-1</name><devices><disk type='file' device='disk'>"
        f"<driver name='qemu' type='raw'/><source file='{disk}'/></disk></devices></domain>"
    )
    for check_mode in (True, False):
        with pytest.raises(StoreError, match=r"disk\.raw would be replaced, and the domain db-1 needs it"):
            convert(output, check_mode=check_mode)
    assert disk.read_bytes().startswith(b"a guest was here")
    definition.unlink()
    assert convert(output)["outputs"][0]["reasons"] == ["modified"]
