# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import report_disk
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.report_disk import CUT, Failed, RawReport, ReportDisk

DISK = ReportDisk("0123", 3)


def disk_of(running: str, frames: dict[str, str], *, complete: bool = True) -> bytes:
    """As `tail -v` prints files."""
    body = "\n".join(f"==> {DISK.directory}/{name} <==\n{text}" for name, text in frames.items())
    end = f"\n{DISK.magic} end\n" if complete else ""
    return f"{DISK.magic}\n{running}\n{body}{end}".encode() + bytes(4096)


def test_an_empty_disk(tmp_path: Path) -> None:
    path = tmp_path / "report.raw"
    DISK.create(str(path))
    assert path.stat().st_size == DISK.size
    assert DISK.size % 512 == 0
    assert path.stat().st_blocks * 512 <= 8192
    assert DISK.read(str(path)) == RawReport("")
    said = subprocess.run(
        ["blkid", "-p", "-o", "value", "-s", "TYPE", path], capture_output=True, text=True, check=True
    )
    assert said.stdout == "swap\n"


def test_another_build_s_disk() -> None:
    assert ReportDisk("9999", 3).parse(disk_of("0001", {})).running == ""


def test_a_mark_is_read_without_a_report() -> None:
    # What was there before is longer.
    assert DISK.parse(f"{DISK.magic}\n0001\nre\n".encode() + bytes(512)) == RawReport("0001")


names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", min_size=1, max_size=20)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(names, texts), st.booleans())
def test_frames_come_back(frames: dict[str, str], complete: bool) -> None:
    report = DISK.parse(disk_of("0007", frames, complete=complete))
    assert (report.running, report.frames, report.complete) == ("0007", frames if complete else {}, complete)


def test_what_tail_prints_is_what_is_read(tmp_path: Path) -> None:
    frames = {"log.0001": "a\n\nno end", "log.0002": "", "log.0003": "==> x <==\n", "times": "begin 1.25\n"}
    for name, text in frames.items():
        (tmp_path / name).write_text(text)
    argv = ["tail", "-v", "-c", str(DISK.limit), *(tmp_path / name for name in sorted(frames))]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    said = said.replace(f"==> {tmp_path}/", f"==> {DISK.directory}/")
    content = f"{DISK.magic}\nend\n{said}\n{DISK.magic} end\n".encode()
    assert DISK.parse(content) == RawReport("end", True, frames)


@given(st.dictionaries(names, texts, min_size=1), st.data())
def test_a_report_cut_off_is_not_complete(frames: dict[str, str], data: st.DataObject) -> None:
    whole = disk_of("0001", frames)[:-4096]
    assert not DISK.parse(whole[: data.draw(st.integers(0, len(whole) - 1))]).complete


@given(st.binary())
def test_no_image_can_make_it_stumble(body: bytes) -> None:
    head = f"{DISK.magic}\n0001\n".encode()
    end = f"\n{DISK.magic} end\n".encode()
    for content in (body, head + body, head + f"==> {DISK.directory}/failed <==\n".encode() + body + end):
        report = DISK.parse(content)
        assert report.failed is None or report.failed.number
        assert isinstance(report.warnings() + report.times(), list)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2), st.integers(-60, 60), st.booleans())
def test_no_more_is_read_than_was_written(tmp_path: Path, blocks: int, offset: int, complete: bool) -> None:
    """Wherever the end mark lies in the blocks; zeros that a step printed are no end."""
    disk = ReportDisk("0123", 500)
    path = tmp_path / "report.raw"
    disk.create(str(path))
    logs = blocks * 2 * (report_disk.LIMIT - 1) + offset
    frames = {f"log.{number:04}": "\0" * (report_disk.LIMIT - 1) for number in range(blocks * 2)}
    frames["log.9999"] = "x" * (logs % 1000)
    written = disk_of("0001", frames, complete=complete).rstrip(b"\0")
    with open(path, "r+b") as file:
        file.write(written)
    tracemalloc.start()
    report = disk.read(str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (report.running, report.complete, report.frames) == ("0001", complete, frames if complete else {})
    assert peak < 10 * len(written) + 8 * 1024**2 < disk.size / 3


def test_half_a_line_is_left_out_where_a_log_was_cut() -> None:
    small = ReportDisk("0123", 3, limit=16)
    content = disk_of("0001", {"log.0001": "half a s\nwhole 12", "log.0002": "all\n"})
    report = small.parse(content)
    assert report.log("0001") == f"{CUT}whole 12"
    assert report.log("0002") == "all\n"


def test_what_is_in_a_report() -> None:
    report = DISK.parse(
        disk_of(
            "0002",
            {
                "failed": "0002 timeout 5 4096\n",
                "log.0002": "b\n",
                "times": "begin 7.25\n0001 8.00\nhalf",
                "warnings": "0001 left x\ngrow not grown\n",
            },
        )
    )
    assert report.failed == Failed("0002", "timeout", 20480)
    assert (report.log("0001"), report.log("0002")) == ("", "b\n")
    assert report.times() == [("begin", 7.25), ("0001", 8.0)]
    assert report.warnings() == [("0001", "left x"), ("grow", "not grown")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0002 1\n", Failed("0002", "1")),
        ("0002 1 x y\n", Failed("0002", "1")),
        ("0002 1 0 4096\n", Failed("0002", "1", 0)),
        ("0002\n", None),
        ("", None),
    ],
)
def test_failed(text: str, expected: Failed | None) -> None:
    assert RawReport("0002", True, {"failed": text}).failed == expected


def test_packages() -> None:
    # dpkg-query 1.22.6 on Ubuntu 24.04
    text = (
        "ii |adduser|all|3.137ubuntu1\n"
        "ii |dpkg|amd64|1.22.6ubuntu6\n"
        "hi |libc6|amd64|2.39-0ubuntu8.4\n"
        "ii |libc6|i386|2.39-0ubuntu8.4\n"
        "rc |nginx|amd64|1.24.0-2ubuntu7\n"
        "half|line\n"
    )
    assert report_disk.parse_packages(text) == {
        "adduser": "3.137ubuntu1",
        "dpkg": "1.22.6ubuntu6",
        "libc6": "2.39-0ubuntu8.4",
        "libc6:i386": "2.39-0ubuntu8.4",
    }
    assert report_disk.parse_packages("") == {}
