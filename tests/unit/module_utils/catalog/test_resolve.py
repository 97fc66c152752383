# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way: a loopback server, real signatures, gpgv."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog import metadata
from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.model import Proof, Request, Trust
from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.resolve import offered, resolve
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    MissingProgramError,
    TransferError,
    VerificationError,
)
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.mirror import (
    Faults,
    Mirror,
    Signing,
    write_mirror,
)
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Fault, Server, serve
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .conftest import SERIALS, resolve_one, small_files

NOBLE = Request(release="noble", arch="amd64")
STREAMS = "releases/streams/v1/com.ubuntu.cloud:released:download"

NO_FAULTS, RIGHT_KEYS = Faults(), Signing()


@pytest.fixture
def trust(keys: Keys) -> Trust:
    return Trust(keyring=str(keys.armored), fingerprints=(keys.checksums.fingerprint, keys.streams.fingerprint))


def at(*servers: Server, request: Request = NOBLE) -> Request:
    return dataclasses.replace(request, mirrors=tuple(server.url for server in servers))


def test_the_latest_serial_proved_by_both_signed_files(
    host: LocalHost, server: Server, mirror: Mirror, keys: Keys, trust: Trust
) -> None:
    item = resolve_one(host, at(server), trust)
    published = mirror.item()
    assert item.serial == SERIALS[-1]
    assert item.digest == f"sha256:{published.sha256}"
    assert item.size == published.size
    assert item.urls == (f"{server.url}/{published.url_path}",)
    assert item.name == "ubuntu-24.04-server-cloudimg-amd64.img"
    assert (item.release, item.version, item.arch, item.lineage, item.stream) == (
        "noble", "24.04", "amd64", "server", "released",
    )  # fmt: skip
    assert (item.supported, item.support_eol) == (True, "2029-05-31")
    assert item.proof.method == "signature"
    assert item.proof.file == f"{server.url}/releases/server/releases/noble/release-{SERIALS[-1]}/SHA256SUMS"
    assert item.proof.fingerprint == keys.checksums.fingerprint
    assert item.proof.index_file == f"{server.url}/{STREAMS}.sjson"
    assert item.proof.index_fingerprint == keys.streams.fingerprint
    assert item.proof.index_updated == "2026-10-10T12:00:00Z"
    assert item.proof.signed_at >= "2026" and item.proof.index_signed_at >= "2026"
    assert host.warnings == []
    assert not server.requests("*.img")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (
            {"serial": SERIALS[0]},
            f"releases/server/releases/noble/release-{SERIALS[0]}/ubuntu-24.04-server-cloudimg-amd64.img",
        ),
        (
            {"release": "lts", "lineage": "minimal"},
            f"minimal/releases/noble/release-{SERIALS[1]}/ubuntu-24.04-minimal-cloudimg-amd64.img",
        ),
        (
            {"stream": "daily"},
            f"daily/server/noble/{SERIALS[1]}/noble-server-cloudimg-amd64.img",
        ),
        (
            {"release": "22.04", "file_type": "disk-kvm.img"},
            f"releases/server/releases/jammy/release-{SERIALS[1]}/ubuntu-22.04-server-cloudimg-amd64-disk-kvm.img",
        ),
    ],
)
def test_lineages_and_streams_have_their_own_places(
    host: LocalHost, server: Server, trust: Trust, change: dict[str, str], path: str
) -> None:
    request = dataclasses.replace(NOBLE, **change)  # type: ignore[arg-type]
    item = resolve_one(host, at(server, request=request), trust)
    assert item.urls == (f"{server.url}/{path}",)
    assert item.proof.method == "signature"


def test_a_list_asks_for_the_catalog_alone(host: LocalHost, server: Server, trust: Trust) -> None:
    items = offered(host, at(server, request=dataclasses.replace(NOBLE, serial="all", arch="all")), trust)
    assert [(item.arch, item.serial) for item in items] == [
        ("arm64", SERIALS[1]), ("arm64", SERIALS[0]), ("amd64", SERIALS[1]), ("amd64", SERIALS[0]),
    ]  # fmt: skip
    assert {item.proof.file for item in items} == {f"{server.url}/{STREAMS}.sjson"}
    assert [request.path for request in server.requests("*")] == [
        "/releases/streams/v1/index.sjson",
        f"/{STREAMS}.sjson",
    ]


def test_what_is_not_there_is_told_with_what_there_is(host: LocalHost, server: Server, trust: Trust) -> None:
    with pytest.raises(BadRequestError, match=r"Supported are noble \(24.04 LTS\), jammy \(22.04 LTS\)\."):
        resolve(host, at(server, request=dataclasses.replace(NOBLE, release="zesty")), trust)
    with pytest.raises(BadRequestError, match=r"It has disk1\.img, manifest"):
        resolve(host, at(server, request=dataclasses.replace(NOBLE, file_type="disk-kvm.img")), trust)


def wrong_mirror(tmp_path: Path, keys: Keys, faults: Faults = NO_FAULTS, signing: Signing = RIGHT_KEYS) -> Mirror:
    files = tmp_path / "files"
    files.mkdir()
    return write_mirror(tmp_path / "wrong", small_files(files)[:1], keys, faults=faults, signing=signing)


@pytest.mark.parametrize(
    ("faults", "signing", "message"),
    [
        (
            Faults(tampered=("index.sjson",)),
            {},
            r"index.sjson by the key \w+ is wrong: the file is not what was signed",
        ),
        (Faults(tampered=("products.sjson",)), {}, r"download.sjson by the key \w+ is wrong"),
        (Faults(tampered=("SHA256SUMS",)), {}, r"/SHA256SUMS by the key \w+ is wrong"),
        (
            Faults(),
            {"streams": "untrusted"},
            r"no signature of \S+/index.sjson can be trusted: the key \w{40} is unknown",
        ),
        (
            Faults(),
            {"checksums": "untrusted"},
            r"no signature of \S+/SHA256SUMS can be trusted: the key \w{40} is unknown",
        ),
        (
            Faults(sums_wrong=("disk1.img",)),
            {},
            r"two signed files disagree about ubuntu-24.04-server-cloudimg-amd64.img",
        ),
        (Faults(streams_wrong=("disk1.img",)), {}, "two signed files disagree"),
    ],
)
def test_a_mirror_that_cannot_be_believed(
    host: LocalHost, tmp_path: Path, keys: Keys, mirror: Mirror, trust: Trust,
    faults: Faults, signing: dict[str, str], message: str,
) -> None:  # fmt: skip
    signed_by = Signing(**{role: getattr(keys, name) for role, name in signing.items()})
    # A good mirror behind the wrong one must not hide what the wrong one does.
    wrong_root = wrong_mirror(tmp_path, keys, faults, signed_by).root
    with serve(wrong_root) as wrong, serve(mirror.root) as right, pytest.raises(VerificationError, match=message):
        resolve(host, at(wrong, right), trust)


@pytest.mark.parametrize("name", ["expired", "revoked"])
def test_a_key_that_counts_no_more(host: LocalHost, tmp_path: Path, keys: Keys, name: str) -> None:
    key = getattr(keys, name)
    trust = Trust(keyring=str(keys.all_binary), fingerprints=(key.fingerprint,))
    root = wrong_mirror(tmp_path, keys, signing=Signing(streams=key)).root
    with serve(root) as server, pytest.raises(VerificationError, match=r"has (expired|been revoked)"):
        resolve(host, at(server), trust)


def test_a_disagreement_shows_both_digests_and_files(host: LocalHost, tmp_path: Path, keys: Keys, trust: Trust) -> None:
    tree = wrong_mirror(tmp_path, keys, Faults(sums_wrong=("disk1.img",)))
    with serve(tree.root) as server, pytest.raises(VerificationError) as caught:
        resolve(host, at(server), trust)
    published = tree.item()
    for part in (published.sha256, f"{STREAMS}.sjson", f"release-{SERIALS[1]}/SHA256SUMS"):
        assert part in caught.value.cause
    assert caught.value.cause.count("sha256:") == 2


def test_a_name_that_the_checksum_file_lacks(host: LocalHost, tmp_path: Path, keys: Keys, trust: Trust) -> None:
    root = wrong_mirror(tmp_path, keys, Faults(sums_without=("disk1.img",))).root
    message = r"/SHA256SUMS has no digest for ubuntu-24\.04-server-cloudimg-amd64\.img"
    with serve(root) as server, pytest.raises(BadRequestError, match=message):
        resolve(host, at(server), trust)


def test_a_replayed_index_shows_its_age(
    host: LocalHost, server: Server, tmp_path: Path, keys: Keys, trust: Trust
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    old = [dataclasses.replace(p, versions={SERIALS[0]: p.versions[SERIALS[0]]}) for p in small_files(files)[:1]]
    with serve(write_mirror(tmp_path / "old", old, keys).root) as replaying:
        before, after = resolve_one(host, at(server), trust), resolve_one(host, at(replaying), trust)
    assert after.product == before.product
    assert after.proof.index_updated < before.proof.index_updated
    assert after.serial < before.serial


@pytest.mark.parametrize("swapped", ["index", "products"])
def test_the_other_streams_catalog_does_not_pass_for_this_one(
    host: LocalHost, tmp_path: Path, keys: Keys, trust: Trust, swapped: str
) -> None:
    tree = write_mirror(tmp_path / "mirror", small_files(tmp_path), keys)
    daily = tree.root / "daily/streams/v1"
    if swapped == "index":
        shutil.rmtree(tree.root / "releases")
        shutil.copytree(tree.root / "daily", tree.root / "releases")
    else:
        shutil.copy(daily / "com.ubuntu.cloud:daily:download.sjson", tree.root / f"{STREAMS}.sjson")
    with serve(tree.root) as server, pytest.raises(VerificationError) as refused:
        resolve(host, at(server), trust)

    for word in (server.url, "stream released", "com.ubuntu.cloud.daily:server:24.04:amd64"):
        assert word in str(refused.value)


def test_an_old_products_file_behind_a_new_index_shows_its_age(
    host: LocalHost, tmp_path: Path, keys: Keys, mirror: Mirror, trust: Trust
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    old = [dataclasses.replace(p, versions={SERIALS[0]: p.versions[SERIALS[0]]}) for p in small_files(files)[:1]]
    tree = write_mirror(tmp_path / "old", old, keys)
    shutil.copy(mirror.root / "releases/streams/v1/index.sjson", tree.root / "releases/streams/v1/index.sjson")
    with serve(tree.root) as server:
        assert resolve_one(host, at(server), trust).proof.index_updated == "2026-09-05T12:00:00Z"


def test_the_next_mirror_serves_where_one_fails(host: LocalHost, server: Server, mirror: Mirror, trust: Trust) -> None:
    with serve(mirror.root) as broken:
        broken.faults.add(Fault("*", status=503))
        item = resolve_one(host, at(broken, server), trust)
        assert len(broken.requests("*")) == 1, "a mirror out of order is asked last from then on"
        assert [url.split("/")[2] for url in item.urls] == [server.url.split("/")[2], broken.url.split("/")[2]]
    index = f"{broken.url}/releases/streams/v1/index.sjson"
    assert host.warnings == [f"{index} answered 503 Service Unavailable; using the mirror {server.url}/releases/"]
    host.warnings.clear()
    assert resolve_one(host, at(broken, server), trust).serial == SERIALS[-1], "a mirror that is not running"
    assert "cannot be reached" in host.warnings[0]


def test_a_mirror_without_a_file_is_passed_over_for_that_file(
    host: LocalHost, server: Server, mirror: Mirror, trust: Trust
) -> None:
    with serve(mirror.root) as partial:
        partial.faults.add(Fault("*/SHA256SUMS.gpg", status=404))
        item = resolve_one(host, at(partial, server), trust)
    assert item.proof.file.startswith(server.url)
    assert item.urls[0].startswith(partial.url)
    assert "is there, but not its signature" in host.warnings[0]


@pytest.mark.parametrize(
    "fault",
    [Fault("*", times=2, status=503), Fault("*", times=1, cut=10), Fault("*", times=1, status=429, retry_after=0)],
)
def test_a_passing_fault_is_overcome(host: LocalHost, server: Server, trust: Trust, fault: Fault) -> None:
    server.faults.add(fault)
    assert resolve_one(host, at(server), trust).serial == SERIALS[-1]
    assert host.warnings == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("*", status=404), "index.sjson answered 404 Not Found"),
        (Fault("*", status=403), "index.sjson answered 403 Forbidden"),
        (Fault("*", status=500), "index.sjson answered 500 Internal Server Error"),
        (Fault("*", redirect="/releases/streams/v1/index.sjson"), "index.sjson answered 302"),
        (Fault("*download.sjson", cut=100), r"download.sjson ended after 100 of \d+ bytes"),
        (Fault("*/SHA256SUMS", status=404), "/SHA256SUMS answered 404 Not Found"),
        (Fault("*/SHA256SUMS.gpg", status=404), "/SHA256SUMS is there, but not its signature: "),
    ],
)
def test_a_catalog_out_of_reach(host: LocalHost, server: Server, trust: Trust, fault: Fault, message: str) -> None:
    server.faults.add(fault)
    with pytest.raises(TransferError, match=message) as caught:
        resolve(host, at(server), trust)
    assert "the publisher's catalog is out of reach" in caught.value.cause
    assert "offline: true" in caught.value.way_out or "verify:" in caught.value.way_out


def test_a_server_that_is_not_there(host: LocalHost, trust: Trust) -> None:
    with pytest.raises(TransferError, match=r"cannot be reached.*Check the network, the proxy.*offline: true"):
        resolve(host, dataclasses.replace(NOBLE, mirrors=("http://127.0.0.1:9",)), trust)


def test_a_file_that_is_too_large_is_not_read(host: LocalHost, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{server.url}/releases/streams/v1/index.sjson"
    with pytest.raises(TransferError, match="is larger than 100 B"):
        metadata.read_bounded(host, url, largest=100)
    assert len(metadata.read_bounded(host, url)) > 100


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(
    host: LocalHost, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "_LOW_SPEED_TIME", 0.2)
    server.faults.add(Fault("*", trickle=0.05))
    with pytest.raises(TransferError, match=r"sent \d+ bytes in 0 seconds, fewer than 1024 a second"):
        metadata.read_bounded(host, f"{server.url}/{STREAMS}.sjson")


def test_truncated_metadata_whose_length_agrees(host: LocalHost, server: Server, trust: Trust) -> None:
    server.faults.add(Fault("*/SHA256SUMS", truncate=20))
    with pytest.raises(VerificationError, match="the file is not what was signed"):
        resolve(host, at(server), trust)


def test_ubuntus_own_keys_do_not_sign_the_test_mirror(host: LocalHost, server: Server) -> None:
    with pytest.raises(VerificationError, match=r"is unknown \(Ubuntu's keys; trusted are 4A3CE3CD"):
        resolve(host, at(server), Trust())


def test_a_digest_by_the_user(host: LocalHost, server: Server, mirror: Mirror) -> None:
    published = mirror.item()
    item = resolve_one(host, at(server), Trust("checksum", checksum=f"sha256:{published.sha256}"))
    assert item.proof == Proof("checksum")
    assert not server.requests("*.sjson") and not server.requests("*.gpg")

    sha512 = f"sha512:{hashlib.sha512(published.path.read_bytes()).hexdigest()}"
    assert resolve_one(host, at(server), Trust("checksum", checksum=sha512)).digest == sha512

    other = "sha256:" + "0" * 64
    with pytest.raises(VerificationError, match=f"the option checksum says {other}, but .*{published.sha256}"):
        resolve(host, at(server), Trust("checksum", checksum=other))


def test_no_proof_at_all(host: LocalHost, tmp_path: Path, keys: Keys) -> None:
    tree = wrong_mirror(tmp_path, keys, Faults(unsigned=True))
    with serve(tree.root) as server:
        item = resolve_one(host, at(server), Trust("none"))
        assert (item.digest, item.proof) == (f"sha256:{tree.item().sha256}", Proof("none"))
        with pytest.raises(TransferError, match=r"index\.sjson answered 404"):
            resolve(host, at(server), Trust())


def test_a_host_without_gpgv(host: LocalHost, server: Server, trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "which", lambda _program: None)
    with pytest.raises(MissingProgramError, match="Install the package gpgv"):
        resolve(host, at(server), trust)
    (item,) = resolve(host, at(server), trust, check_mode=True)
    assert (item.serial, item.proof) == (SERIALS[-1], Proof("none"))
    assert "the program gpgv is not installed" in host.warnings[0]
