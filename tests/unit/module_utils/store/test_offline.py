# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.model import Proof, Request, Trust
from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.ubuntu_keys import UBUNTU_KEYS
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.offline import recall

from .records import SIGNED, digest_of, image, item

OLD, NEW = item(serial="20260101"), item(serial="20260201")
ANY_KEY = Trust(keyring="/etc/goldsmith/keys.asc")
IMAGES = [image(OLD), image(NEW), image(item("jammy"))]


def noble(**more: str) -> Request:
    return Request(**{"release": "noble", "arch": "amd64", **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("release", ["noble", "Noble", "24.04", "n"])
def test_latest_is_the_newest_that_the_store_has(release: str) -> None:
    assert recall(IMAGES, noble(release=release), ANY_KEY) == NEW


def test_a_serial_can_be_pinned() -> None:
    assert recall(IMAGES, noble(serial="20260101"), ANY_KEY) == OLD


def test_an_alias_that_moved_means_the_newer_release() -> None:
    before = image(item("noble", "20260401", aliases=("lts",)))
    after = image(item("resolute", "20260301", aliases=("lts",)))

    assert recall([after, before], noble(release="lts"), ANY_KEY).release == "resolute"


@pytest.mark.parametrize(
    "other",
    [
        {"release": "focal"},
        {"arch": "arm64"},
        {"stream": "daily"},
        {"lineage": "minimal"},
        {"file_type": "vmdk"},
        {"serial": "20250101"},
    ],
)
def test_what_is_not_there_is_told_with_what_is(other: dict[str, str]) -> None:
    with pytest.raises(BadRequestError, match="the store has no image of") as refused:
        recall(IMAGES, noble(**other), ANY_KEY)

    for serial in ("20260101", "20260201"):
        assert f"noble server amd64 disk1.img (released) {serial} [signature]" in str(refused.value)


@pytest.mark.parametrize(
    ("trust", "accepted"),
    [
        (ANY_KEY, True),
        (Trust(fingerprints=("A" * 40, "B" * 40, "C" * 40)), True),
        (Trust(fingerprints=("A" * 40,)), False),
        (Trust(verify="checksum", checksum=OLD.digest), True),
        (Trust(verify="checksum", checksum=digest_of("other")), False),
        (Trust(verify="none"), True),
    ],
)
def test_it_has_to_be_proved_as_demanded(trust: Trust, accepted: bool) -> None:
    request = noble(serial="20260101")

    if accepted:
        assert recall(IMAGES, request, trust) == OLD
    else:
        with pytest.raises(BadRequestError, match=f"verify: {trust.verify}|fingerprints does not name"):
            recall(IMAGES, request, trust)


def test_without_a_keyring_only_the_publishers_own_keys_count() -> None:
    own = UBUNTU_KEYS.checksums[0], UBUNTU_KEYS.streams[0]
    by_own_keys = replace(OLD, proof=replace(SIGNED, fingerprint=own[0], index_fingerprint=own[1]))

    assert recall([image(by_own_keys), image(NEW)], noble(), Trust()) == by_own_keys
    with pytest.raises(BadRequestError, match=r"A{40}, B{40}; without the option keyring .* Give the options keyring"):
        recall([image(NEW)], noble(), Trust())


def test_what_was_fetched_without_proof_does_not_pass_for_proved() -> None:
    unproved = [image(replace(NEW, proof=Proof("none"))), image(OLD)]

    assert recall(unproved, noble(), ANY_KEY) == OLD
    assert recall(unproved, noble(), Trust(verify="none")).serial == NEW.serial


def test_a_file_of_a_directory_is_found_by_its_url() -> None:
    source = item(
        publisher="directory",
        product="https://a/images/",
        name="disk.qcow2",
        serial="",
        urls=("https://a/images/disk.qcow2", "https://b/images/disk.qcow2"),
        proof=SIGNED,
    )
    request = Request(publisher="directory", mirrors=("https://b/images",), file_name="disk.qcow2")

    assert recall([image(source)], request, ANY_KEY) == source
    with pytest.raises(BadRequestError, match=r"https://a/images/disk.qcow2 \[signature\]"):
        recall([image(source)], replace(request, mirrors=("https://b/im",)), ANY_KEY)
