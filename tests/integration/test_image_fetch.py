# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_fetch against a signed mirror on loopback: what arrives."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    GoldsmithError,
)
from ansible_collections.goldsmith.kvm.tests.fixtures import dummy_images
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.mirror import (
    Mirror,
    Product,
    plain_directory,
    write_mirror,
)
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Fault, Server, serve

from .fetching import IMAGES, NEWER, OLDER, Fetching, sha256, tree
from .plays import run_module, run_tasks

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


def test_a_mode_is_shown_as_it_will_be_and_given_to_what_a_killed_run_has_left(
    fetch: Fetching, server: Server, keys: Keys
) -> None:
    assert fetch(check_mode=True, mode=0o440)["diff"]["after"]["mode"] == "0440"
    path = Path(fetch()["image"]["path"])
    shutil.rmtree(fetch.store / "records")

    result = run_module("goldsmith.kvm.image_fetch", **fetch.options, mode="0440")

    assert result["changed"]
    assert path.stat().st_mode & 0o7777 == 0o440


def test_a_refusal_in_a_play(server: Server, tmp_path: Path) -> None:
    server.faults.add(Fault("*", status=503))
    result = run_module(
        "goldsmith.kvm.image_fetch", mirrors=[server.url], store=str(tmp_path / "store"), release="noble"
    )

    assert result["failed"]
    assert "503" in result["msg"]
    assert "offline: true" in result["msg"]
