# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_fetch against a signed mirror on loopback, right and misbehaving: what arrives, and what is refused."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import shutil
import subprocess
import threading
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    GoldsmithError,
    MissingProgramError,
    StoreError,
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
    plain_directory,
    replay_index,
    write_mirror,
)
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Fault, Server, serve
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .fetching import Fetching, sha256
from .plays import run_module, run_tasks

IMAGES = "*.img"
OLDER, NEWER = "20260905", "20261010.1"


def tree(root: Path, keys: Keys, image: Path, *serials: str, **wrong: t.Any) -> Mirror:
    """A mirror of noble's server image alone, which is there under two file types."""
    versions = {serial: {"disk1.img": image, "vmdk": image} for serial in serials or (NEWER,)}
    return write_mirror(root, [Product("noble", versions)], keys, **wrong)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dummy_images.qcow2(tmp_path_factory.mktemp("image") / "image.img")


@contextlib.contextmanager
def small_file_system(directory: Path, size: str) -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def part_size(fetch: Fetching) -> int:
    return sum(path.stat().st_size for path in fetch.parts if path.exists())


# What arrives


def test_an_image_arrives_with_its_proof(fetch: Fetching, server: Server, mirror: Mirror, keys: Keys) -> None:
    published = mirror.item()
    predicted = fetch(check_mode=True)
    assert not fetch.store.exists()

    result = fetch()

    image = result["image"]
    assert result["changed"] is predicted["changed"] is True
    assert result["diff"] == predicted["diff"]
    assert image["path"] == predicted["image"]["path"] == f"{fetch.store}/images/{published.sha256}.img"
    assert image["digest"] == predicted["image"]["digest"] == sha256(image["path"]) == f"sha256:{published.sha256}"
    assert image["size"] == predicted["image"]["size"] == published.size
    assert (image["format"], image["virtual_size"]) == ("qcow2", 16 << 20)
    assert (image["product"], image["serial"], image["release"]) == (published.product, NEWER, "noble")
    assert image["url"] == f"{server.url}/{published.url_path}"
    proof = image["proof"]
    assert (proof["method"], proof["fingerprint"]) == ("signature", keys.checksums.fingerprint)
    assert proof["index_fingerprint"] == keys.streams.fingerprint
    assert proof["file"] == f"{server.url}/{published.url_path.rpartition('/')[0]}/SHA256SUMS"
    assert result["transfer"]["bytes"] == published.size
    assert Path(image["path"]).stat().st_mode & 0o7777 == 0o444
    assert fetch.leftovers == []
    json.dumps(result)


def test_the_second_run_transfers_and_reads_nothing(fetch: Fetching, server: Server) -> None:
    path = fetch()["image"]["path"]
    server.log.clear()
    # Who reads the file notices.
    stat = os.stat(path)
    with open(path, "r+b") as file:
        file.write(b"changed")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    result = fetch()

    assert result["changed"] is False
    assert result["transfer"]["bytes"] == 0
    assert server.requests(IMAGES) == []
    assert fetch(check_mode=True)["changed"] is False


def test_two_serials_are_two_files_and_latest_is_the_newer(fetch: Fetching) -> None:
    assert fetch(serial=OLDER)["image"]["serial"] == OLDER
    assert fetch()["image"]["serial"] == NEWER
    assert len(fetch.images) == 2


def test_a_new_serial_is_noticed(fetch: Fetching, keys: Keys, image: Path, tmp_path: Path) -> None:
    with serve(tree(tmp_path / "mirror", keys, image, OLDER).root) as server:
        before = fetch(mirrors=[server.url])
        newer = dummy_images.qcow2(tmp_path / "newer.img")
        write_mirror(
            tmp_path / "mirror",
            [Product("noble", {OLDER: {"disk1.img": image}, NEWER: {"disk1.img": newer}})],
            keys,
        )
        after = fetch(mirrors=[server.url])

    assert (before["image"]["serial"], after["image"]["serial"]) == (OLDER, NEWER)
    assert after["changed"]
    assert after["image"]["digest"] == sha256(newer)


def test_two_releases_with_the_same_bytes_are_one_file(fetch: Fetching, server: Server) -> None:
    released = fetch()
    server.log.clear()
    daily = fetch(stream="daily")

    assert daily["changed"] is False
    assert daily["image"]["path"] == released["image"]["path"]
    assert daily["image"]["product"] != released["image"]["product"]
    assert server.requests(IMAGES) == []
    assert fetch(stream="daily", offline=True, mirrors=[])["image"]["product"] == daily["image"]["product"]


def test_offline_works_from_what_was_proved(fetch: Fetching, server: Server) -> None:
    fetched = fetch()
    server.log.clear()

    again = fetch(offline=True, mirrors=[])

    assert again["changed"] is False
    assert again["image"] == fetched["image"]
    assert server.log == []
    with pytest.raises(GoldsmithError, match=f"noble server amd64 disk1.img .released. {NEWER}"):
        fetch(offline=True, release="jammy")


def test_azures_vhd_is_unpacked_after_it_was_verified(fetch: Fetching, server: Server, mirror: Mirror) -> None:
    predicted = fetch(file_type="vhd.tar.gz", check_mode=True)
    assert (predicted["image"]["path"], predicted["image"]["digest"]) == (None, None)
    result = fetch(file_type="vhd.tar.gz")
    server.log.clear()

    image = result["image"]
    assert image["published_digest"] == f"sha256:{mirror.item(file_type='vhd.tar.gz').sha256}"
    assert image["digest"] == sha256(image["path"]) != image["published_digest"]
    assert image["format"] == "vpc"
    assert fetch.leftovers == []
    assert fetch(file_type="vhd.tar.gz")["changed"] is False
    assert fetch(file_type="vhd.tar.gz", check_mode=True)["image"] == image
    assert server.requests("*.vhd.tar.gz") == []


def test_what_is_no_disk_is_kept_as_it_was_published(fetch: Fetching, mirror: Mirror) -> None:
    image = fetch(file_type="manifest")["image"]

    assert (image["format"], image["virtual_size"]) == ("", None)
    assert Path(image["path"]).read_bytes() == mirror.item(file_type="manifest").path.read_bytes()


@pytest.mark.parametrize("compressor", ["xz", "gz", "bz2", "zst"])
def test_compressed_images_of_a_directory(
    fetch: Fetching, keys: Keys, image: Path, tmp_path: Path, compressor: str
) -> None:
    root = tmp_path / "directory"
    root.mkdir()
    plain = root / "disk.qcow2"
    shutil.copy(image, plain)
    packed = dummy_images.compressed(plain, compressor)
    plain_directory(root, [packed], keys, algorithm="sha512", checksum_file="SHA512SUMS")
    with serve(root) as server:
        options = {
            "publisher": "directory",
            "mirrors": [f"{server.url}/"],
            "file_name": packed.name,
            "checksum_file": "SHA512SUMS",
        }
        result = fetch(**options)
        again = fetch(**options)

    assert result["image"]["digest"] == sha256(image)
    assert result["image"]["published_digest"].startswith("sha512:")
    assert result["image"]["proof"]["fingerprint"] == keys.checksums.fingerprint
    assert (result["changed"], again["changed"]) == (True, False)
    assert again["transfer"]["bytes"] == 0
    assert fetch.leftovers == []


def test_a_directory_without_any_checksum(fetch: Fetching, image: Path, tmp_path: Path) -> None:
    root = tmp_path / "directory"
    root.mkdir()
    shutil.copy(image, root / "disk.qcow2")
    with serve(root) as server:
        options = {"publisher": "directory", "mirrors": [server.url], "file_name": "disk.qcow2", "verify": "none"}
        first, second = fetch(**options), fetch(**options)
        given = fetch(**{**options, "verify": "checksum"}, checksum=sha256(image))

    assert (first["changed"], second["changed"], given["changed"]) == (True, False, False)
    assert (first["image"]["proof"]["method"], given["image"]["proof"]["method"]) == ("none", "checksum")
    assert given["transfer"]["bytes"] == 0
    with pytest.raises(GoldsmithError, match="not proved as verify: signature demands"):
        fetch(**{**options, "verify": "signature"}, offline=True)


def test_the_next_mirror_is_tried(fetch: Fetching, server: Server, keys: Keys, image: Path, tmp_path: Path) -> None:
    with serve(tmp_path) as empty:
        result = fetch(mirrors=[empty.url, server.url])

    assert result["image"]["url"].startswith(server.url)
    assert any(empty.url in warning for warning in fetch.host.warnings)


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


# What breaks on this host


def test_too_small_a_disk_is_refused_before_the_first_byte(fetch: Fetching) -> None:
    with small_file_system(fetch.store, "1500k"):
        with pytest.raises(StoreError, match=r"is too small .* MiB are needed") as refused:
            fetch()
        assert fetch.images == []
        assert part_size(fetch) == 0
        assert str(fetch.store) in str(refused.value)


def test_a_disk_that_becomes_full_while_writing(fetch: Fetching, server: Server, mirror: Mirror) -> None:
    with small_file_system(fetch.store, "5m"):
        filler = fetch.store / "filler"

        def fill() -> None:
            wait_for(lambda: part_size(fetch) > 0)
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))

        thread = threading.Thread(target=fill)
        thread.start()
        server.faults.add(Fault(IMAGES, rate=1_000_000))
        with pytest.raises(StoreError) as refused:
            fetch(connections=1)
        thread.join()
        assert str(fetch.store) in str(refused.value)
        assert fetch.images == []
        kept = part_size(fetch)
        assert kept > 0

        filler.unlink()
        server.faults.clear()
        result = fetch()
        assert 0 < result["transfer"]["resumed_from"] <= kept
        assert sha256(result["image"]["path"]) == f"sha256:{mirror.item().sha256}"


def test_a_killed_run_leaves_nothing_visible_and_the_next_goes_on(
    fetch: Fetching, server: Server, mirror: Mirror
) -> None:
    server.faults.add(Fault(IMAGES, rate=1_000_000))
    process = fetch.start(connections=1)
    wait_for(lambda: part_size(fetch) > 500_000)
    process.kill()
    process.communicate()
    assert fetch.images == []

    server.faults.clear()
    result = fetch()
    assert result["transfer"]["resumed_from"] > 0
    assert sha256(result["image"]["path"]) == f"sha256:{mirror.item().sha256}"
    assert fetch.leftovers == []


def test_killed_between_publishing_and_recording(fetch: Fetching, server: Server) -> None:
    fetched = fetch()
    shutil.rmtree(fetch.store / "records")
    server.log.clear()

    result = fetch()

    assert result["image"] == fetched["image"]
    assert server.requests(IMAGES) == []
    assert fetch()["changed"] is False


def test_two_runs_at_once_fetch_once(fetch: Fetching, server: Server, mirror: Mirror) -> None:
    server.faults.add(Fault(IMAGES, rate=3_000_000))
    runs = [fetch.start(), fetch.start()]
    results = [json.loads(run.communicate()[0]) for run in runs]

    assert sorted(result["changed"] for result in results) == [False, True]
    assert len({result["image"]["path"] for result in results}) == 1
    assert server.bytes_sent(IMAGES) == mirror.item().size
    assert fetch.leftovers == []


def test_a_file_that_vanished_is_fetched_again(fetch: Fetching) -> None:
    path = Path(fetch()["image"]["path"])
    path.unlink()

    assert fetch(check_mode=True)["changed"]
    assert fetch()["changed"]
    assert path.exists()


def test_a_file_that_was_written_to_is_refused_and_not_touched(fetch: Fetching) -> None:
    path = Path(fetch()["image"]["path"])
    path.chmod(0o644)
    path.write_bytes(b"the disk of somebody's guest")

    for check_mode in (True, False):
        with pytest.raises(StoreError, match="is not what was verified"):
            fetch(check_mode=check_mode)
    assert path.read_bytes() == b"the disk of somebody's guest"


class HostWithout(LocalHost):
    """A host on which some programs are not installed."""

    missing: t.ClassVar[tuple[str, ...]] = ("gpgv", "qemu-img")

    def which(self, program: str) -> str | None:
        return None if program in self.missing else super().which(program)


def test_without_the_programs_check_mode_still_tells(fetch: Fetching, mirror: Mirror, server: Server) -> None:
    fetch.host = HostWithout(fetch.host.tmpdir)

    predicted = fetch(check_mode=True)

    assert predicted["image"]["digest"] == f"sha256:{mirror.item().sha256}"
    assert len(fetch.host.warnings) == 2
    with pytest.raises(MissingProgramError, match="gpgv"):
        fetch()
    with pytest.raises(MissingProgramError, match="qemu-utils"):
        fetch(verify="none")
    assert server.requests(IMAGES) == []


def test_a_store_that_cannot_be_written(fetch: Fetching) -> None:
    with small_file_system(fetch.store, "10m"):
        subprocess.run(["mount", "-o", "remount,ro", fetch.store], check=True)
        assert fetch(check_mode=True)["changed"]
        with pytest.raises(StoreError, match="cannot be written"):
            fetch()


# As ansible runs it


def test_a_play(server: Server, keys: Keys, tmp_path: Path) -> None:
    options = {
        "release": "noble",
        "arch": "amd64",
        "mirrors": [server.url],
        "keyring": str(keys.armored),
        "store": str(tmp_path / "store"),
        "mode": "0440",
        "group": "adm",
    }
    module = "goldsmith.kvm.image_fetch"
    check, apply, check_again, again, other_mode_check, other_mode, offline = run_tasks(
        [
            {module: options, "check_mode": True},
            {module: options},
            {module: options, "check_mode": True},
            {module: options},
            {module: {**options, "mode": "0444"}, "check_mode": True},
            {module: {**options, "mode": "0444"}},
            {module: {**options, "mode": "0444", "mirrors": [], "offline": True}},
        ],
        "--diff",
    )

    changes = [
        result["changed"] for result in (check, apply, check_again, again, other_mode_check, other_mode, offline)
    ]
    assert changes == [True, True, False, False, True, True, False]
    assert check["diff"] == apply["diff"]
    assert check["diff"]["after"]["mode"] == "0440"
    assert other_mode_check["diff"] == other_mode["diff"]
    assert (other_mode["diff"]["before"]["mode"], other_mode["diff"]["after"]["mode"]) == ("0440", "0444")
    path = Path(apply["image"]["path"])
    assert path.group() == "adm"
    assert offline["image"] == again["image"]
    assert "download" not in again["stages"]


def test_a_refusal_in_a_play(server: Server, tmp_path: Path) -> None:
    server.faults.add(Fault("*", status=503))
    result = run_module(
        "goldsmith.kvm.image_fetch", mirrors=[server.url], store=str(tmp_path / "store"), release="noble"
    )

    assert result["failed"]
    assert "503" in result["msg"]
    assert "offline: true" in result["msg"]
