# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_convert when something breaks: a killed run, a full disk, a source that is replaced, two runs at once."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import time
import typing as t
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    MissingProgramError,
    StoreError,
    VerificationError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.host import Completed
from ansible_collections.goldsmith.kvm.tests.fixtures import dummy_images
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .converting import Converting, qemu_img
from .fetching import sha256, small_file_system, wait_for

MIB = 1024 * 1024
VMDK = {"dest": "a.vmdk", "format": "vmdk"}
RAW = {"dest": "a.raw", "format": "raw"}
OVA = {"dest": "a.ova", "format": "ova"}
QCOW2 = {"dest": "a.qcow2", "format": "qcow2"}


@pytest.fixture(name="convert")
def fixture_convert(host: LocalHost, tmp_path: Path) -> Converting:
    return Converting(host, tmp_path, dummy_images.qcow2(tmp_path / "source.qcow2", 4 * MIB))


class HostThat(LocalHost):
    """A host on which something happens before or after a certain command of qemu-img; the command itself is real."""

    def __init__(self, tmpdir: str, command: str, before: Callable[[], None] | None = None, **options: t.Any) -> None:
        super().__init__(tmpdir)
        self.command = command
        self.before = before
        self.after: Callable[[], None] | None = options.get("after")

    def run(self, argv: Sequence[str], **options: t.Any) -> Completed:
        hit = len(argv) > 1 and argv[1] == self.command
        if hit and self.before is not None:
            self.before()
        done = super().run(argv, **options)
        if hit and self.after is not None:
            self.after()
        return done


# The source


def replaced(convert: Converting, content: bytes | None = None) -> Callable[[], None]:
    """Put another image in the place of the source, as a build that publishes by renaming does."""

    def replace() -> None:
        other = dummy_images.qcow2(convert.src.with_name("other.qcow2"), 4 * MIB)
        os.replace(other, convert.src)

    return replace


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("compare", [False, True])
def test_a_source_that_is_replaced(convert: Converting, moment: str, compare: bool) -> None:
    convert(VMDK, OVA, checksum=True)
    former = {name: convert.path(name).read_bytes() for name in convert.there}
    convert.host = HostThat(convert.host.tmpdir, "convert", **{moment: replaced(convert)})
    changed = [{**VMDK, "hwversion": 17}, {**OVA, "hwversion": 17}, RAW]

    with pytest.raises(VerificationError, match=r"source\.qcow2 changed during the conversion. Run again"):
        convert(*changed, compare=compare, checksum=True, parallel=1)

    assert {name: convert.path(name).read_bytes() for name in convert.there} == former
    convert.host = LocalHost(convert.host.tmpdir)
    result = convert(*changed, checksum=True)
    assert result["source"]["digest"] == sha256(convert.src)
    qemu_img("compare", "-f", "qcow2", "-F", "vmdk", convert.src, convert.path("a.vmdk"))


def test_a_source_that_is_written_to(convert: Converting) -> None:
    def write() -> None:
        subprocess.run(["qemu-io", "-c", "write 1M 4k", convert.src], check=True, capture_output=True)

    convert.host = HostThat(convert.host.tmpdir, "info", after=write)
    with pytest.raises(VerificationError, match="changed during the conversion"):
        convert(RAW)
    assert convert.there == []


def test_a_source_that_a_guest_runs_on(convert: Converting) -> None:
    with subprocess.Popen(["qemu-io", convert.src], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as guest:
        try:
            assert guest.stdout is not None
            guest.stdout.read(1)
            with pytest.raises(StoreError, match=r"source\.qcow2 is being written to by another program, most likely"):
                convert(RAW, VMDK)
        finally:
            guest.kill()
    assert convert.there == []
    assert convert(RAW)["changed"]


# The disk


@pytest.mark.parametrize("outputs", [(RAW,), (VMDK, {"dest": "b.vmdk", "format": "vmdk"})], ids=["one", "two together"])
def test_too_small_a_disk_is_refused_before_anything_is_written(
    convert: Converting, outputs: Sequence[dict[str, t.Any]]
) -> None:
    said = r"What is to be written needs 4\.\d\d MiB in .*, and 3 MiB are free there"
    with small_file_system(convert.directory, "3m"):
        with pytest.raises(StoreError, match=said):
            convert(*outputs)
        assert convert(*outputs, check_mode=True)["changed"]
        (warned,) = convert.host.warnings
        assert re.search(said, warned)
        assert convert.there == []


@pytest.mark.parametrize("output", [RAW, VMDK, OVA, {"dest": "a.vhd", "format": "vhd"}], ids=lambda one: one["format"])
def test_a_disk_that_becomes_full(convert: Converting, output: dict[str, t.Any]) -> None:
    def fill() -> None:
        with contextlib.suppress(OSError), (convert.directory / "filler").open("wb", buffering=0) as file:
            for dummy in range(12 * 256 - 640):
                file.write(bytes(4096))

    with small_file_system(convert.directory, "12m"):
        convert.path(output["dest"]).write_bytes(b"the former file")
        convert.host = HostThat(convert.host.tmpdir, "convert", before=fill)
        with pytest.raises(StoreError, match="no space left"):
            convert(output)
        assert convert.there == [output["dest"], "filler"]
        assert convert.path(output["dest"]).read_bytes() == b"the former file"
        convert.path("filler").unlink()
        convert.host = LocalHost(convert.host.tmpdir)
        assert convert(output)["outputs"][0]["reasons"] == ["unrecorded"]


def test_the_disk_is_full_when_the_package_is_written(convert: Converting) -> None:
    """Room for the disk of an OVA, and none for the OVA."""

    def fill() -> None:
        with contextlib.suppress(OSError), (convert.directory / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    with small_file_system(convert.directory, "9m"):
        convert.host = HostThat(convert.host.tmpdir, "convert", after=fill)
        with pytest.raises(StoreError, match="no space left on the file system"):
            convert(OVA)
        assert convert.there == ["filler"]


def test_one_output_fails_and_the_other_is_there(convert: Converting) -> None:
    small = convert.directory.parent / "small"
    with small_file_system(small, "8m"):

        def fill() -> None:
            with contextlib.suppress(OSError), (small / "filler").open("wb", buffering=0) as file:
                for dummy in range(7 * 256):
                    file.write(bytes(4096))

        convert.host = HostThat(convert.host.tmpdir, "convert", before=fill)
        outputs = [VMDK, {"dest": str(small / "b.raw"), "format": "raw"}]
        with pytest.raises(StoreError, match=r"no space left in .*/small for b\.raw") as refused:
            convert(*outputs, parallel=2)
        assert refused.value.details["written"] == [str(convert.path("a.vmdk"))]
        assert [path.name for path in small.iterdir()] == ["filler"]
    assert convert(VMDK)["changed"] is False


def test_a_place_that_cannot_be_written(convert: Converting) -> None:
    with small_file_system(convert.directory, "10m"):
        subprocess.run(["mount", "-o", "remount,ro", convert.directory], check=True)
        assert convert(RAW, check_mode=True, store=str(convert.path("store")))["changed"]
        cannot = f"nothing can be converted as it is: this user may not write to {convert.directory}"
        assert convert.host.warnings == [cannot]
        with pytest.raises(StoreError, match="cannot be written: Read-only file system"):
            convert(RAW)


# Killed runs


def test_killed_while_it_converts(convert: Converting, tmp_path: Path) -> None:
    former = convert(VMDK, checksum=True)["outputs"][0]["digest"]
    convert.src = dummy_images.qcow2(tmp_path / "large.qcow2", 150 * MIB, 160 * MIB)
    process = convert.start(VMDK, OVA, checksum=True)
    wait_for(lambda: len(_growing(convert)) == 2, 30)
    process.kill()
    process.communicate()

    wait_for(lambda: not _is_alive("qemu-img", str(convert.src)))
    assert sha256(convert.path("a.vmdk")) == former
    assert not convert.path("a.ova").exists()
    subprocess.run(["sha256sum", "--quiet", "-c", "a.vmdk.sha256"], cwd=convert.directory, check=True)
    assert len(convert.leftovers) == 2

    convert.src = dummy_images.qcow2(tmp_path / "next.qcow2")
    result = convert(VMDK, OVA, checksum=True)
    assert [output["changed"] for output in result["outputs"]] == [True, True]
    assert convert.leftovers == []


def _growing(convert: Converting) -> list[Path]:
    """Files in temporary directories to which a MiB has been written already."""
    found = [path for name in convert.leftovers for path in convert.path(name).glob("*.vmdk")]
    return [path for path in found if path.stat().st_size > MIB]


def _is_alive(program: str, argument: str) -> bool:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[0].endswith(program) and argument in words:
                return True
    return False


@pytest.mark.parametrize("name", ["a.vmdk", "a.vmdk.sha256", "a.vmdk.conversion.json"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_it_publishes(
    convert: Converting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, moment: str
) -> None:
    convert(VMDK, checksum=True)
    convert.src = dummy_images.qcow2(tmp_path / "next.qcow2")
    with monkeypatch.context() as context:
        context.setattr(os, "replace", _killing(name, moment))
        child = multiprocessing.get_context("fork").Process(
            target=convert, args=(VMDK,), kwargs={"checksum": True, "parallel": 1}
        )
        child.start()
        child.join()
    assert child.exitcode == -signal.SIGKILL
    assert not convert.path("a.vmdk.sha256").exists() or not _disagreeing(convert)

    result = convert(VMDK, checksum=True)
    # With the record in its place all was there.
    assert result["changed"] is not (name.endswith(".json") and moment == "after")
    assert sha256(convert.path("a.vmdk")) == result["outputs"][0]["digest"]
    qemu_img("compare", "-f", "qcow2", "-F", "vmdk", convert.src, convert.path("a.vmdk"))
    subprocess.run(["sha256sum", "--quiet", "-c", "a.vmdk.sha256"], cwd=convert.directory, check=True)
    assert convert(VMDK, checksum=True)["changed"] is False
    if result["changed"]:
        assert convert.leftovers == []


def _killing(name: str, moment: str) -> Callable[[str, str], None]:
    replace = os.replace

    def killing(source: str, dest: str) -> None:
        hit = os.path.basename(dest) == name
        if hit and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, dest)
        if hit:
            os.kill(os.getpid(), signal.SIGKILL)

    return killing


def _disagreeing(convert: Converting) -> bool:
    done = subprocess.run(["sha256sum", "--status", "-c", "a.vmdk.sha256"], cwd=convert.directory, check=False)
    return done.returncode != 0


def test_two_runs_at_once_convert_once(convert: Converting, tmp_path: Path) -> None:
    convert.src = dummy_images.qcow2(tmp_path / "larger.qcow2", 40 * MIB, 48 * MIB)
    runs = [convert.start(VMDK, RAW, checksum=True), convert.start(RAW, VMDK, checksum=True)]
    results = [json.loads(run.communicate()[0]) for run in runs]
    assert [result.get("msg") for result in results] == [None, None]
    changed = [output["dest"] for result in results for output in result["outputs"] if output["changed"]]
    assert sorted(changed) == [str(convert.path("a.raw")), str(convert.path("a.vmdk"))]
    assert convert.leftovers == []


# What is missing, and what qemu-img gets wrong


class HostWithout(LocalHost):
    def which(self, program: str) -> str | None:
        return None if program in ("qemu-img", "gpg") else super().which(program)


def test_without_the_programs_check_mode_still_tells(convert: Converting) -> None:
    convert(RAW)
    convert.host = HostWithout(convert.host.tmpdir)
    result = convert(RAW, VMDK, check_mode=True, checksum=True, signing_key="A" * 40)
    assert [output["reasons"] for output in result["outputs"]] == [
        ["checksum", "signature"],
        ["missing", "checksum", "signature"],
    ]
    assert len(convert.host.warnings) == 2
    with pytest.raises(MissingProgramError, match="qemu-utils"):
        convert(RAW, VMDK)


@pytest.fixture(name="spoiling")
def fixture_spoiling(convert: Converting) -> Iterator[Callable[[Callable[[Path], None]], None]]:
    """Spoil what qemu-img has written before it is looked at."""

    def spoil(how: Callable[[Path], None]) -> None:
        def after() -> None:
            (path,) = (path for name in convert.leftovers for path in convert.path(name).iterdir())
            how(path)

        convert.host = HostThat(convert.host.tmpdir, "convert", after=after)

    yield spoil
    assert convert.there == []


def _overwrite(at: int, data: bytes) -> Callable[[Path], None]:
    def overwrite(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
            file.write(data)

    return overwrite


def _cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _written_as_monolithic_sparse(path: Path) -> None:
    qemu_img("convert", "-f", "vmdk", "-O", "vmdk", path, path.with_suffix(".other"))
    path.with_suffix(".other").rename(path)


@pytest.mark.parametrize(
    ("output", "how", "said"),
    [
        (RAW, _overwrite(5000, b"another bit"), r"a\.raw does not hold what .*source\.qcow2 holds: Content mismatch"),
        (RAW, lambda path: os.truncate(path, MIB), r"the raw that qemu-img wrote is not .*wanted were 16777216"),
        ({"dest": "a.vhd", "format": "vhd"}, _overwrite(-100, b"\1"), "the vhd that qemu-img wrote .* checksum"),
        ({"dest": "a.vhd", "format": "vhd"}, lambda path: os.truncate(path, 16 * MIB), "the vhd that qemu-img wrote"),
        (QCOW2, _cut_in_half, "the qcow2 that qemu-img wrote .* exceeding the end of the file"),
        (
            QCOW2,
            _overwrite(64 * 1024, bytes(64 * 1024)),
            "the qcow2 that qemu-img wrote .* data cluster: .* refcount=0",
        ),
        (VMDK, _cut_in_half, "the vmdk that qemu-img wrote is not what was asked for: Check failed"),
        (VMDK, _written_as_monolithic_sparse, "the vmdk that qemu-img wrote .* its subformat is monolithicSparse"),
        (OVA, _cut_in_half, "the ova that qemu-img wrote is not what was asked for: Check failed"),
        (OVA, _written_as_monolithic_sparse, "the ova that qemu-img wrote .* its subformat is monolithicSparse"),
        ({"dest": "a.vhdx", "format": "vhdx"}, _cut_in_half, "the vhdx that qemu-img wrote .* Could not open"),
    ],
)
def test_what_comes_out_wrong_is_not_published(
    convert: Converting,
    spoiling: Callable[[Callable[[Path], None]], None],
    output: dict[str, t.Any],
    how: Callable[[Path], None],
    said: str,
) -> None:
    spoiling(how)
    with pytest.raises(VerificationError, match=said):
        convert(output, compare=True)


def test_several_at_a_time(convert: Converting) -> None:
    """So many as parallel says are under way, and no more."""
    under_way, most = 0, 0

    class Counting(LocalHost):
        def run(self, argv: Sequence[str], **options: t.Any) -> Completed:
            nonlocal under_way, most
            if argv[1] != "convert":
                return super().run(argv, **options)
            under_way += 1
            most = max(most, under_way)
            time.sleep(0.2)
            try:
                return super().run(argv, **options)
            finally:
                under_way -= 1

    convert.host = Counting(convert.host.tmpdir)
    for parallel in (1, 3):
        most = 0
        convert(*({"dest": f"{number}.raw", "format": "raw"} for number in range(5)), parallel=parallel)
        assert most == parallel
        shutil.rmtree(convert.directory)
