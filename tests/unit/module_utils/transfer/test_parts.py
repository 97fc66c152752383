# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    HttpStatusError,
    StoreError,
    TransferError,
    UnreachableError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.transfer.bucket import TokenBucket
from ansible_collections.goldsmith.kvm.plugins.module_utils.transfer.patience import Patience
from ansible_collections.goldsmith.kvm.plugins.module_utils.transfer.ranges import (
    ContentRange,
    chunk_end,
    parse_content_range,
    range_header,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.transfer.sidecar import (
    Sidecar,
    load_sidecar,
    save_sidecar,
    sidecar_path,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.transfer.space import disk_errors_named, require_space
from ansible_collections.goldsmith.kvm.plugins.module_utils.transfer.validators import Validators

sizes = st.integers(0, 10**13)


@given(sizes, st.integers(1, 10**12), st.none() | sizes)
def test_content_range_round_trip(begin: int, length: int, rest: int | None) -> None:
    end = begin + length
    total = None if rest is None else end + rest
    header = f"bytes {begin}-{end - 1}/{'*' if total is None else total}"
    assert parse_content_range(header) == ContentRange(begin, end, total)


@pytest.mark.parametrize(
    "header",
    ["", "bytes */10", "bytes 5-4/10", "bytes 0-10/10", "bytes 0-9", "items 0-9/10", "bytes 0-9/x", "bytes ٠-٩/١٠"],
)
def test_content_range_refused(header: str) -> None:
    assert parse_content_range(header) is None


@given(st.text())
def test_content_range_never_fails(header: str) -> None:
    parse_content_range(header)


def test_range_header() -> None:
    assert range_header(0, 500) == "bytes=0-499"
    assert range_header(500, None) == "bytes=500-"


@given(st.integers(0, 10**6), st.integers(1, 10**5), st.integers(1, 10**6))
def test_chunks_cover_the_file(begin: int, chunk_size: int, length: int) -> None:
    total = begin + length
    chunk_size = max(chunk_size, length // 50)
    position = begin
    for dummy in range(-(-length // chunk_size)):
        end = chunk_end(position, chunk_size, total)
        assert position < end <= position + chunk_size
        position = end
    assert position == total


@pytest.mark.parametrize(
    ("ours", "theirs", "contradiction"),
    [
        (Validators('"a"'), Validators('"a"'), False),
        (Validators('"a"'), Validators('"b"'), True),
        (Validators('"a"', "Mon"), Validators('"a"', "Tue"), False),
        (Validators("", "Mon"), Validators('"b"', "Tue"), True),
        (Validators("", "Mon"), Validators('"b"', ""), False),
        (Validators(), Validators('"b"', "Tue"), False),
        (Validators('W/"a"'), Validators('W/"b"'), True),
    ],
)
def test_validators_contradict(ours: Validators, theirs: Validators, contradiction: bool) -> None:
    assert ours.contradicts(theirs) is contradiction
    assert theirs.contradicts(ours) is contradiction


def test_weak_tag_is_no_if_range() -> None:
    assert Validators('"a"', "Mon").if_range == '"a"'
    assert Validators('W/"a"', "Mon").if_range == "Mon"
    assert Validators('W/"a"').if_range == ""


@given(st.integers(1, 10**9), st.lists(st.integers(1, 10**6), min_size=1, max_size=50), st.floats(0, 5))
def test_bucket_never_exceeds_its_rate(rate: int, amounts: list[int], pause: float) -> None:
    now = 100.0
    bucket = TokenBucket(rate, lambda: now)
    began = now
    for amount, rest in zip(amounts, itertools.cycle((0.0, pause))):
        now += rest + bucket.reserve(amount)
    passed_in_time = (now - began - pause * (len(amounts) // 2)) * rate
    burst = rate * 0.1 * (1 + len(amounts) // 2)
    assert sum(amounts) <= passed_in_time + burst + pause * (len(amounts) // 2) * rate + 1


def test_bucket_reaches_its_rate() -> None:
    now = 0.0
    bucket = TokenBucket(1000, lambda: now)
    for dummy in range(100):
        now += bucket.reserve(50)
    assert 4.8 <= now <= 5.0


def test_patience_doubles_and_ends() -> None:
    patience = Patience(3, 1.0)
    error = UnreachableError("gone")
    pauses = [patience.pause_after(error) for dummy in range(4)]
    for pause, wanted in zip(pauses, (1, 2, 4)):
        assert pause is not None
        assert 0.7 * wanted <= pause <= 1.3 * wanted
    assert pauses[3] is None
    patience.reward()
    assert patience.pause_after(error) is not None


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(10.0, 10, 10), (86400.0, 60, 60), (0.0, 0.5, 1.5), (None, 0.5, 1.5)]
)
def test_patience_honours_retry_after(asked: float | None, least: float, most: float) -> None:
    pause = Patience(3, 1.0).pause_after(HttpStatusError("http://a/", 503, "busy", asked))
    assert pause is not None
    assert least <= pause <= most


@pytest.mark.parametrize(
    "error",
    [HttpStatusError("http://a/", 404, "Not Found"), HttpStatusError("http://a/", 403, ""), TransferError("odd")],
)
def test_patience_with_what_does_not_pass(error: TransferError) -> None:
    assert Patience(3, 1.0).pause_after(error) is None


@given(st.builds(Sidecar, st.text(), st.text(), st.text(), st.text(), st.none() | sizes))
def test_sidecar_round_trip(tmp_path_factory: pytest.TempPathFactory, sidecar: Sidecar) -> None:
    part = str(tmp_path_factory.getbasetemp() / "sidecar.part")
    save_sidecar(part, sidecar)
    assert load_sidecar(part) == sidecar


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": 1}', "null", '{"url": "", "etag": "", "size": "3"}', "\x00"])
def test_sidecar_that_is_none(tmp_path: Path, text: str) -> None:
    part = str(tmp_path / "a.part")
    assert load_sidecar(part) is None
    Path(sidecar_path(part)).write_text(text, encoding="utf-8")
    assert load_sidecar(part) is None


def test_space_is_required_with_figures(tmp_path: Path) -> None:
    require_space(str(tmp_path / "a"), 0)
    with pytest.raises(
        StoreError, match=r"the file system at /.* is too small .* EiB are needed for .*/a, .* are free"
    ):
        require_space(str(tmp_path / "a"), 2**62)


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "became full"), (errno.EDQUOT, "quota"), (errno.EIO, "Input/output")]
)
def test_disk_errors_are_named(tmp_path: Path, number: int, said: str) -> None:
    with pytest.raises(StoreError, match=said), disk_errors_named(str(tmp_path / "a"), 5):
        raise OSError(number, os.strerror(number))
