# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Downloads from a real server on loopback that misbehaves in one way at a time."""

from __future__ import annotations

import hashlib
import os
import random
import re
import time

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    TransferError,
    VerificationError,
)
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Fault
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .conftest import CHUNK, Bench

several = pytest.mark.parametrize("connections", [1, 4])


@several
def test_whole(bench: Bench, connections: int) -> None:
    transferred = bench.fetch(connections=connections)
    bench.check(transferred)
    assert transferred.bytes == len(bench.data) == bench.server.bytes_sent()
    assert (transferred.resumed_from, transferred.url) == (0, bench.url)


@pytest.mark.usefixtures("eager")
def test_several_connections_share_the_file(bench: Bench) -> None:
    bench.server.faults.add(Fault(rate=500_000))
    began = time.monotonic()
    transferred = bench.fetch()
    bench.check(transferred)
    assert transferred.connections == 4
    assert time.monotonic() - began < 1.2


def test_a_slow_first_connection_is_joined(bench: Bench) -> None:
    bench.server.faults.add(Fault(rate=500_000))
    assert bench.fetch().connections == 4


@several
@pytest.mark.parametrize("data", [b"", b"x", b"x" * CHUNK, b"x" * (CHUNK + 1)])
def test_small_files(bench: Bench, connections: int, data: bytes) -> None:
    bench.data = data
    bench.publish(data)
    bench.check(bench.fetch(connections=connections))


@pytest.mark.parametrize("size", [True, False])
def test_sha512_beside_sha256(bench: Bench, size: bool) -> None:
    expected = "sha512:" + hashlib.sha512(bench.data).hexdigest()
    bench.check(bench.fetch(expected=expected, size=len(bench.data) if size else None))


@pytest.mark.parametrize("expected", ["md5:" + "0" * 32, "sha256:abc", "0" * 64, "sha256:" + "x" * 64])
def test_digest_that_is_none(bench: Bench, expected: str) -> None:
    with pytest.raises(BadRequestError, match="is not a digest"):
        bench.fetch(expected=expected)


# Resuming


def prefix(bench: Bench, length: int, **options: object) -> None:
    """Leave a part of ``length`` bytes behind, as a run does whose connection broke for good."""
    bench.server.faults.add(Fault(cut=length, times=1))
    bench.server.faults.add(Fault(after=1, status=500))
    with pytest.raises(TransferError, match="kept in"):
        bench.fetch(connections=1, retries=1, **options)
    bench.server.faults.clear()
    bench.server.log.clear()
    assert bench.part.stat().st_size == length


@several
def test_resumed(bench: Bench, connections: int) -> None:
    prefix(bench, 600_000)
    transferred = bench.fetch(connections=connections)
    bench.check(transferred)
    assert transferred.resumed_from == 600_000
    assert bench.server.bytes_sent() == transferred.bytes == len(bench.data) - 600_000


def test_resumed_from_another_mirror(bench: Bench) -> None:
    prefix(bench, 600_000)
    bench.publish(bench.data, "mirror.img")
    transferred = bench.fetch(bench.server.url + "/mirror.img")
    bench.check(transferred)
    assert transferred.resumed_from == 600_000


def test_complete_part_needs_no_request(bench: Bench) -> None:
    bench.part.write_bytes(bench.data)
    transferred = bench.fetch(size=len(bench.data))
    bench.check(transferred)
    assert (transferred.bytes, transferred.connections, bench.server.log) == (0, 0, [])


def test_killed_after_the_last_byte(bench: Bench) -> None:
    prefix(bench, 600_000)
    bench.part.write_bytes(bench.data)
    transferred = bench.fetch()
    bench.check(transferred)
    assert bench.server.bytes_sent() == 0


@pytest.mark.parametrize("size", [True, False])
def test_part_longer_than_the_file(bench: Bench, size: bool) -> None:
    bench.part.write_bytes(bench.data + b"more")
    transferred = bench.fetch(size=len(bench.data) if size else None)
    bench.check(transferred)
    assert transferred.resumed_from == 0


@several
def test_spoiled_part_is_fetched_whole_once(bench: Bench, connections: int) -> None:
    bench.part.write_bytes(b"?" * 500_000)
    transferred = bench.fetch(connections=connections)
    bench.check(transferred)
    assert transferred.resumed_from == 0
    assert transferred.bytes == 2 * len(bench.data) - 500_000


def test_part_of_another_file_is_thrown_away(bench: Bench) -> None:
    prefix(bench, 600_000)
    bench.data = random.Random(2).randbytes(900_000)
    bench.publish(bench.data)
    transferred = bench.fetch()
    bench.check(transferred)
    assert transferred.bytes == len(bench.data)


def test_without_digest_a_strong_tag_lets_resume(bench: Bench) -> None:
    prefix(bench, 600_000, expected="")
    transferred = bench.fetch(expected="")
    bench.check(transferred)
    assert transferred.resumed_from == 600_000


@pytest.mark.parametrize("change", ["server", "mirror", "validators", "digest"])
def test_without_digest_and_proof_all_is_fetched(bench: Bench, change: str) -> None:
    prefix(bench, 600_000, expected=bench.digest if change == "digest" else "")
    if change == "server":
        bench.data = random.Random(2).randbytes(1_000_003)
        bench.publish(bench.data)
    bench.publish(bench.data, "mirror.img")
    if change == "validators":
        bench.server.faults.add(Fault(no_validators=True))
    transferred = bench.fetch(bench.server.url + "/mirror.img" if change == "mirror" else bench.url, expected="")
    bench.check(transferred)
    assert transferred.resumed_from == 0


def test_without_digest_validators_and_length(bench: Bench) -> None:
    bench.server.faults.add(Fault(no_validators=True))
    bench.server.faults.add(Fault(cut=300_000, times=1))
    transferred = bench.fetch(expected="")
    bench.check(transferred)
    assert transferred.bytes == len(bench.data) + 300_000


# Faults of the server


@several
@pytest.mark.usefixtures("eager")
def test_cut_once_and_again(bench: Bench, connections: int) -> None:
    bench.server.faults.add(Fault(cut=40_000, times=12))
    transferred = bench.fetch(connections=connections)
    bench.check(transferred)
    assert transferred.resumed_from == 0


@several
def test_always_cut_at_once(bench: Bench, connections: int) -> None:
    bench.server.faults.add(Fault(cut=0))
    with pytest.raises(TransferError, match=rf"{bench.url} ended at byte 0 of 1000003.*run again"):
        bench.fetch(connections=connections, retries=2)
    assert os.listdir(bench.directory) == []


def test_server_without_ranges(bench: Bench) -> None:
    bench.server.faults.add(Fault(no_ranges=True))
    transferred = bench.fetch()
    bench.check(transferred)
    assert transferred.connections == 1


def test_server_without_ranges_is_cut(bench: Bench) -> None:
    bench.server.faults.add(Fault(no_ranges=True))
    bench.server.faults.add(Fault(cut=300_000, times=2))
    bench.check(bench.fetch())


def test_server_without_ranges_is_always_cut(bench: Bench) -> None:
    bench.server.faults.add(Fault(no_ranges=True, cut=300_000))
    with pytest.raises(TransferError, match="broke 3 times, and the server cannot go on where it broke"):
        bench.fetch(retries=2)


@several
def test_truncated(bench: Bench, connections: int) -> None:
    bench.server.faults.add(Fault(truncate=999_000))
    with pytest.raises(TransferError, match=r"offers 999000 bytes, expected were 1000003"):
        bench.fetch(size=len(bench.data), connections=connections)
    with pytest.raises(VerificationError, match=r"999000 bytes with the digest sha256:"):
        bench.fetch(connections=connections)
    assert os.listdir(bench.directory) == []


@pytest.mark.parametrize("content_length", [5, 2_000_000])
def test_wrong_content_length(bench: Bench, content_length: int) -> None:
    bench.server.faults.add(Fault(content_length=content_length))
    with pytest.raises(TransferError, match=r"contradicts itself|ended at byte|expected were"):
        bench.fetch(size=len(bench.data), retries=1)


@several
def test_mismatch(bench: Bench, connections: int) -> None:
    wrong = "sha256:" + "0" * 64
    with pytest.raises(VerificationError) as caught:
        bench.fetch(expected=wrong, connections=connections)
    assert bench.digest in str(caught.value)
    assert wrong in str(caught.value)
    assert "thrown away" in str(caught.value)
    assert bench.server.bytes_sent() == len(bench.data)
    assert os.listdir(bench.directory) == []


@several
def test_changed_between_two_halves(bench: Bench, connections: int) -> None:
    old = bench.data
    bench.data = random.Random(2).randbytes(len(old))
    bench.publish(bench.data, "new.img")
    bench.server.faults.add(Fault(cut=500_000, times=1))
    bench.server.faults.add(Fault(after=1, replace="new.img"))
    bench.check(bench.fetch(connections=connections))
    bench.part.unlink()


def test_changed_again_and_again(bench: Bench) -> None:
    for number in range(1, 8):
        bench.publish(random.Random(number).randbytes(1_000_003), f"{number}.img")
        bench.server.faults.add(Fault(after=number, replace=f"{number}.img"))
    bench.server.faults.add(Fault(cut=500_000))
    with pytest.raises(TransferError, match="changed on the server again and again"):
        bench.fetch(connections=1)


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (500, 3), (503, 3)])
def test_error_status(bench: Bench, status: int, requests: int) -> None:
    bench.server.faults.add(Fault(status=status))
    with pytest.raises(TransferError, match=rf"disk.img answered {status} \w+"):
        bench.fetch(retries=2)
    assert len(bench.server.log) == requests


def test_retry_after(bench: Bench) -> None:
    bench.server.faults.add(Fault(status=503, retry_after=1, times=1))
    began = time.monotonic()
    bench.check(bench.fetch())
    assert time.monotonic() - began >= 1


def test_redirect_and_loop(bench: Bench) -> None:
    bench.server.faults.add(Fault("/current.img", redirect="/disk.img"))
    bench.check(bench.fetch(bench.server.url + "/current.img"))
    bench.server.faults.add(Fault("/disk.img", redirect="/disk.img"))
    with pytest.raises(TransferError, match=r"answered 302 .*loop"):
        bench.fetch(expected="sha256:" + "0" * 64)


@several
def test_stall(bench: Bench, connections: int) -> None:
    bench.host = LocalHost(bench.host.tmpdir, timeout=0.3)
    bench.server.faults.add(Fault(stall=200_000, times=2))
    bench.check(bench.fetch(connections=connections))


def test_crawling(bench: Bench) -> None:
    bench.server.faults.add(Fault(trickle=0.02, times=1))
    bench.check(bench.fetch(connections=1, low_speed_limit=1000, low_speed_time=0.2))
    assert len(bench.server.log) == 2


@pytest.mark.usefixtures("eager")
def test_limit_on_connections(bench: Bench) -> None:
    bench.server.faults.add(Fault(rate=1_000_000))
    bench.server.faults.add(Fault(max_connections=2))
    transferred = bench.fetch(retries=3)
    bench.check(transferred)
    assert transferred.connections <= 2


def test_rate_limit(bench: Bench) -> None:
    transferred = bench.fetch(rate_limit=1_000_000)
    bench.check(transferred)
    assert 0.8 <= transferred.seconds <= 2


# Mirrors


def test_mirrors_in_order(bench: Bench) -> None:
    bench.server.faults.add(Fault("/gone/*", status=404))
    bench.server.faults.add(Fault("/short/*", replace="disk.img", truncate=1000))
    bench.publish(b"other", "other.img")
    bench.server.faults.add(Fault("/wrong/*", replace="other.img"))
    urls = [f"{bench.server.url}/{name}/disk.img" for name in ("gone", "short", "wrong")]
    refused = "http://127.0.0.1:1/disk.img"
    transferred = bench.fetch(*urls, refused, bench.url, retries=1)
    bench.check(transferred)
    assert transferred.url == bench.url
    bench.part.unlink()
    with pytest.raises(VerificationError) as caught:
        bench.fetch(*urls, refused, retries=1)
    for url in (*urls, refused):
        assert url in str(caught.value)


def test_no_mirror_delivers(bench: Bench) -> None:
    bench.server.faults.add(Fault("/disk.img", cut=500_000, times=1))
    bench.server.faults.add(Fault(after=1, status=403))
    urls = (bench.url, bench.server.url + "/b.img")
    with pytest.raises(TransferError) as caught:
        bench.fetch(*urls, retries=0)
    assert re.search(r"none of the 2 mirrors .*disk.img ended .*; .*/b.img answered 403", str(caught.value))
    assert f"488 KiB are kept in {bench.part}: run again" in str(caught.value)


def test_one_half_from_each_mirror(bench: Bench) -> None:
    bench.server.faults.add(Fault("/disk.img", cut=500_000, times=1))
    bench.server.faults.add(Fault("/disk.img", after=1, status=404))
    bench.publish(bench.data, "b.img")
    transferred = bench.fetch(bench.url, bench.server.url + "/b.img")
    bench.check(transferred)
    assert transferred.bytes == len(bench.data)
