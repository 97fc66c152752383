# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_fetch against a signed mirror on loopback: statements and bytes that are refused."""

from __future__ import annotations

import itertools
import random
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    GoldsmithError,
    TransferError,
    VerificationError,
)
from ansible_collections.goldsmith.kvm.tests.fixtures import dummy_images
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.mirror import (
    Faults,
    Mirror,
    Product,
    Signing,
    replay_index,
    write_mirror,
)
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Fault, Server, serve

from .fetching import IMAGES, NEWER, OLDER, Fetching, part_size, sha256, tree

# What is refused: the publisher's statements

WRONG: dict[str, tuple[Callable[[Keys], dict[str, t.Any]], str]] = {
    "sums signed by another key": (lambda keys: {"signing": Signing(checksums=keys.untrusted)}, "SHA256SUMS"),
    "catalog signed by another key": (lambda keys: {"signing": Signing(streams=keys.untrusted)}, "index.sjson"),
    "sums changed after signing": (lambda _: {"faults": Faults(tampered=("SHA256SUMS",))}, "SHA256SUMS"),
    "catalog changed after signing": (lambda _: {"faults": Faults(tampered=("index.sjson",))}, "index.sjson"),
    "sums without the name": (lambda _: {"faults": Faults(sums_without=("disk1.img",))}, "24.04-server-cloudimg"),
    "sums disagree": (lambda _: {"faults": Faults(sums_wrong=("disk1.img",))}, "disagree"),
    "catalog disagrees": (lambda _: {"faults": Faults(streams_wrong=("disk1.img",))}, "disagree"),
    "nothing signed": (lambda _: {"faults": Faults(unsigned=True)}, "index.sjson answered 404"),
}
EXPIRED: dict[str, tuple[Callable[[Keys], dict[str, t.Any]], str]] = {
    "sums signed by an expired key": (lambda keys: {"signing": Signing(checksums=keys.expired)}, "expired"),
    "catalog signed by an expired key": (lambda keys: {"signing": Signing(streams=keys.expired)}, "expired"),
}


@pytest.mark.parametrize("wrong", [*WRONG, *EXPIRED])
def test_a_statement_that_proves_nothing(fetch: Fetching, keys: Keys, image: Path, tmp_path: Path, wrong: str) -> None:
    how, said = {**WRONG, **EXPIRED}[wrong]
    # An expired key is refused though it is in the keyring.
    keyring = keys.all_binary if wrong in EXPIRED else keys.armored
    with serve(tree(tmp_path / "mirror", keys, image, **how(keys)).root) as server:
        for check_mode in (True, False):
            with pytest.raises(GoldsmithError, match=said):
                fetch(mirrors=[server.url], keyring=str(keyring), check_mode=check_mode)

        assert server.requests(IMAGES) == []
    assert fetch.images == fetch.leftovers == []


def test_a_replayed_catalog_is_noticed(fetch: Fetching, keys: Keys, image: Path, tmp_path: Path) -> None:
    older = tree(tmp_path / "older", keys, image, OLDER)
    newest = dummy_images.qcow2(tmp_path / "newest.img")
    products = [Product("noble", {OLDER: {"disk1.img": image}, NEWER: {"disk1.img": newest}})]
    mirror = write_mirror(tmp_path / "mirror", products, keys)
    with serve(mirror.root) as server:
        fetch(mirrors=[server.url])
        replay_index(mirror, older)
        for check_mode in (True, False):
            with pytest.raises(VerificationError) as refused:
                fetch(mirrors=[server.url], check_mode=check_mode)
            for word in (OLDER, NEWER, server.url, "allow_older"):
                assert word in str(refused.value)

        assert fetch(mirrors=[server.url], allow_older=True)["image"]["serial"] == OLDER
        assert fetch(mirrors=[server.url], serial=OLDER)["changed"] is False
        with pytest.raises(VerificationError, match="allow_older"):
            fetch(mirrors=[server.url])
    assert fetch(offline=True)["image"]["serial"] == NEWER


# What is refused: the bytes


def test_bytes_that_are_not_what_was_signed(fetch: Fetching, keys: Keys, image: Path, tmp_path: Path) -> None:
    faults = Faults(bytes_wrong=("disk1.img",))
    mirror = tree(tmp_path / "mirror", keys, image, faults=faults)
    with serve(mirror.root) as server, pytest.raises(VerificationError) as refused:
        fetch(mirrors=[server.url])

    assert sha256(image) in str(refused.value)
    assert server.url in str(refused.value)
    assert fetch.images == fetch.leftovers == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (dummy_images.not_qcow2, "is no qcow2 image: it begins with b'<!DOCTYPE html>"),
        (dummy_images.qcow2_with_backing_file, "needs the backing file backing.qcow2"),
        (dummy_images.qcow2_with_data_file, "needs the external data file data.raw"),
        (dummy_images.raw, "is no qcow2 image"),
    ],
    ids=["html", "backing file", "data file", "raw"],
)
def test_a_signed_file_that_is_no_image_to_work_with(
    fetch: Fetching, keys: Keys, tmp_path: Path, make: Callable[[Path], Path], said: str
) -> None:
    wrong = make(tmp_path / "files" / "wrong.img")
    mirror = tree(tmp_path / "mirror", keys, wrong)
    with serve(mirror.root) as server, pytest.raises(VerificationError, match=said) as refused:
        fetch(mirrors=[server.url])

    assert server.url in str(refused.value)
    assert ".part" not in str(refused.value)
    assert fetch.images == fetch.leftovers == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(IMAGES, status=404), "404"),
        (Fault(IMAGES, status=403), "403"),
        (Fault(IMAGES, status=500), "500"),
        (Fault(IMAGES, redirect="/releases/loop.img"), "loop"),
        (Fault(IMAGES, truncate=100_000), "100000|97.7 KiB|100,000"),
    ],
    ids=["404", "403", "500", "redirect loop", "truncated"],
)
def test_a_server_that_does_not_deliver(
    fetch: Fetching, server: Server, mirror: Mirror, fault: Fault, said: str
) -> None:
    server.faults.add(fault)
    with pytest.raises(GoldsmithError, match=said) as refused:
        fetch(retries=0)
    assert server.url in str(refused.value)
    assert fetch.images == []

    server.faults.clear()
    assert fetch()["image"]["digest"] == f"sha256:{mirror.item().sha256}"


def test_a_stalling_server_is_given_up_and_gone_on_with(fetch: Fetching, server: Server, mirror: Mirror) -> None:
    server.faults.add(Fault(IMAGES, stall=1_000_000, times=4))
    began = time.monotonic()
    with pytest.raises(TransferError):
        fetch(timeout=1, retries=0, connections=1)
    assert time.monotonic() - began < 10
    assert fetch.images == []

    server.faults.clear()
    result = fetch()
    assert result["transfer"]["resumed_from"] > 0
    assert result["image"]["digest"] == f"sha256:{mirror.item().sha256}"


def test_a_server_without_ranges(fetch: Fetching, server: Server, mirror: Mirror) -> None:
    server.faults.add(Fault(IMAGES, no_ranges=True))
    result = fetch()
    assert result["transfer"]["connections"] == 1
    assert result["image"]["digest"] == f"sha256:{mirror.item().sha256}"


@pytest.mark.parametrize("seed", range(3))
def test_cut_at_random_points_and_resumed(fetch: Fetching, server: Server, mirror: Mirror, seed: int) -> None:
    cuts = random.Random(seed).sample(range(1, mirror.item().size), 3)
    for number, cut in enumerate(cuts):
        server.faults.add(Fault(IMAGES, cut=cut, after=number, times=1))

    for _attempt in itertools.repeat(None, 5):
        try:
            result = fetch(retries=0, connections=1)
        except TransferError:
            assert fetch.images == []
        else:
            break
    assert sha256(result["image"]["path"]) == f"sha256:{mirror.item().sha256}"
    assert fetch.leftovers == []


def test_a_file_that_changes_between_two_halves(fetch: Fetching, server: Server, mirror: Mirror) -> None:
    other = mirror.item(serial=OLDER).url_path
    server.faults.add(Fault(f"*/release-{NEWER}/*.img", cut=500_000, times=1))
    with pytest.raises(TransferError):
        fetch(retries=0, connections=1)
    assert part_size(fetch) > 0
    server.faults.clear()
    server.faults.add(Fault(f"*/release-{NEWER}/*.img", replace=other))
    with pytest.raises(GoldsmithError, match="sha256:"):
        fetch()
    assert fetch.images == []

    server.faults.clear()
    assert sha256(fetch()["image"]["path"]) == f"sha256:{mirror.item().sha256}"


def test_an_unreachable_catalog_names_offline(fetch: Fetching) -> None:
    with pytest.raises(TransferError, match="offline: true"):
        fetch(mirrors=["http://127.0.0.1:9"], check_mode=True)
