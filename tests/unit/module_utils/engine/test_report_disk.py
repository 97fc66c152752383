# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import report_disk
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.guest_scripts import BLOCK

MAGIC = "goldsmith report 0123"


def disk_of(running: str, frames: dict[str, str], *, complete: bool = True) -> bytes:
    body = b"".join(f"{name} {len(text.encode())}\n".encode() + text.encode() for name, text in frames.items())
    head = f"{MAGIC}\n{running}\n".encode().ljust(BLOCK, b"\0")
    return head + body + (b"end 0\n" if complete else b"") + bytes(4096)


def test_an_empty_disk(tmp_path: Path) -> None:
    path = tmp_path / "report.raw"
    report_disk.create(str(path), MAGIC, 3)
    assert path.stat().st_size % 512 == 0
    assert report_disk.read(str(path), MAGIC) == report_disk.RawReport("")


def test_another_build_s_disk() -> None:
    assert report_disk.parse(disk_of("0001", {}), "goldsmith report 9999").running == ""


names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-/", min_size=1, max_size=20).filter(lambda name: name != "end")
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(names, texts), st.booleans())
def test_frames_come_back(frames: dict[str, str], complete: bool) -> None:
    report = report_disk.parse(disk_of("0007", frames, complete=complete), MAGIC)
    assert (report.running, report.frames, report.complete) == ("0007", frames, complete)


@given(st.dictionaries(names, texts, min_size=1), st.data())
def test_a_report_cut_off_is_not_complete(frames: dict[str, str], data: st.DataObject) -> None:
    whole = disk_of("0001", frames)[:-4096]
    cut = whole[: data.draw(st.integers(0, len(whole) - len("end 0\n")))]
    assert not report_disk.parse(cut, MAGIC).complete


@given(st.binary())
def test_no_image_can_make_it_stumble(body: bytes) -> None:
    report_disk.parse(disk_of("0001", {})[:BLOCK] + body, MAGIC)
    report_disk.parse(body, MAGIC)


def test_what_is_in_a_report() -> None:
    report = report_disk.parse(
        disk_of("0002", {"failed": "0002 timeout\n", "log/0001": "a\n", "log/0002": "b\n"}), MAGIC
    )
    assert report.failed == ("0002", "timeout")
    assert report.log("0002") == "b\n"
    assert report.logs() == {"0001": "a\n", "0002": "b\n"}


def test_packages() -> None:
    # dpkg-query 1.22.6 on Ubuntu 24.04
    text = (
        "native amd64 -\n"
        "adduser all 3.137ubuntu1\n"
        "libc6 amd64 2.39-0ubuntu8.4\n"
        "libc6 i386 2.39-0ubuntu8.4\n"
        "native all 1.0\n"
        "half line\n"
    )
    assert report_disk.parse_packages(text) == {
        "adduser": "3.137ubuntu1",
        "libc6": "2.39-0ubuntu8.4",
        "libc6:i386": "2.39-0ubuntu8.4",
        "native": "1.0",
    }
    assert report_disk.parse_packages("") == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'PRETTY_NAME="Ubuntu 24.04.2 LTS"\nID=ubuntu\n# note\n\nVERSION_ID="24.04"\n',
            {"PRETTY_NAME": "Ubuntu 24.04.2 LTS", "ID": "ubuntu", "VERSION_ID": "24.04"},
        ),
        ('A=\'x y\'\nB="a\\"b\\$"\nnot a line\n1=2\n', {"A": "x y", "B": 'a"b$'}),
        ("", {}),
    ],
)
def test_os_release(text: str, expected: dict[str, str]) -> None:
    assert report_disk.parse_os_release(text) == expected
