# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.model import Proof
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import StoreError
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.files import identity_of, read_json, write_json
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.images import Image, Images
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout

from .records import SIGNED, TIME, digest_of, image, item

CONTENT = b"the content of an image"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(str(tmp_path / "store"))
    layout.ensure()
    return layout


def added(layout: Layout) -> Image:
    """An image whose file is there, recorded."""
    path = Path(layout.image(DIGEST))
    path.write_bytes(CONTENT)
    identity = identity_of(str(path))
    assert identity is not None
    held = replace(image(item(digest=DIGEST)), digest=DIGEST, identity=identity)
    Images(layout).add(held)
    return held


def test_a_record_comes_back_as_it_was(layout: Layout) -> None:
    held = added(layout)

    assert Images(layout).get(DIGEST) == held
    assert Images(layout).all() == [held]


def test_a_store_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    images = Images(Layout(str(tmp_path / "nothing")))

    assert images.all() == []
    assert images.get(DIGEST) is None
    assert list(tmp_path.iterdir()) == []


def test_fields_of_a_later_version_do_no_harm(layout: Layout) -> None:
    held = added(layout)
    path = Images(layout).record_path(DIGEST)
    document = read_json(path)
    assert document is not None
    document["signature_of_the_moon"] = True
    document["sources"][0]["phase"] = "full"
    document["sources"][0]["proof"]["phase"] = "full"
    write_json(path, document)

    assert Images(layout).get(DIGEST) == held


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sources": 1}', '{"sources": [{"urls": []}]}'])
def test_a_damaged_record_is_named(layout: Layout, content: str) -> None:
    added(layout)
    images = Images(layout)
    Path(images.record_path(DIGEST)).write_text(content)

    for look in (images.all, lambda: images.get(DIGEST)):
        with pytest.raises(StoreError, match=r"is damaged: .* Move it away") as refused:
            look()
        assert images.record_path(DIGEST) in str(refused.value)


@pytest.mark.parametrize("published", [DIGEST, "sha512:" + "ab" * 64])
def test_an_image_is_found_by_what_was_published(layout: Layout, published: str) -> None:
    held = image(item(digest=published), digest=DIGEST)
    Images(layout).add(held)

    assert Images(layout).published_as(published) == held
    assert Images(layout).published_as(digest_of("another")) is None


def test_two_releases_with_the_same_bytes_are_one_image(layout: Layout) -> None:
    held = added(layout)
    daily = item(digest=DIGEST, product="com.ubuntu.cloud.daily:server:24.04:amd64", stream="daily")

    Images(layout).add(replace(held, sources=(daily,), added="2027-01-01T00:00:00Z"))

    (merged,) = Images(layout).all()
    assert merged.sources == (*held.sources, daily)
    assert merged.added == held.added


def test_a_stronger_proof_replaces_a_weaker_one_and_never_the_other_way() -> None:
    signed = item()
    unproved = replace(signed, proof=Proof("none"))

    assert image(unproved).with_source(signed).sources == (signed,)
    assert image(signed).with_source(unproved).sources == (signed,)


def test_a_proof_by_other_keys_is_news_and_one_by_the_same_keys_is_not() -> None:
    signed = item()
    later = replace(signed, proof=replace(SIGNED, index_updated="2026-10-01T00:00:00Z"))
    by_another_key = replace(signed, proof=replace(SIGNED, fingerprint="C" * 40))

    assert image(signed).with_source(later).sources == (signed,)
    assert image(signed).with_source(by_another_key).sources == (by_another_key,)


def test_an_untouched_file_is_not_read(layout: Layout) -> None:
    held = added(layout)
    path = Path(layout.image(DIGEST))
    # Other content under the same identity: who reads the file notices.
    stat = path.stat()
    with path.open("r+b") as file:
        file.write(CONTENT[::-1])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert Images(layout).present_identity(held) == held.identity


def test_a_vanished_file_is_noticed(layout: Layout) -> None:
    held = added(layout)
    os.unlink(layout.image(DIGEST))

    assert Images(layout).present_identity(held) is None


def test_a_copied_store_is_read_once(layout: Layout) -> None:
    held = added(layout)
    path = Path(layout.image(DIGEST))
    os.utime(path, (1, 1))

    identity = Images(layout).present_identity(held)
    assert identity is not None
    assert identity != held.identity
    Images(layout).use(held, identity)

    known = Images(layout).get(DIGEST)
    assert known is not None
    assert known.identity == identity


def test_a_file_that_was_written_to_is_refused(layout: Layout) -> None:
    held = added(layout)
    Path(layout.image(DIGEST)).write_bytes(b"something else")

    with pytest.raises(StoreError, match="is not what was verified") as refused:
        Images(layout).present_identity(held)

    assert layout.image(DIGEST) in str(refused.value)
    assert Path(layout.image(DIGEST)).read_bytes() == b"something else"


def test_use_is_noted_but_not_at_every_run(layout: Layout) -> None:
    held = added(layout)
    images = Images(layout)

    images.use(held, held.identity)
    used = images.get(DIGEST)
    assert used is not None
    assert used.last_used > TIME
    written = os.stat(images.record_path(DIGEST)).st_ino
    images.use(used, used.identity)

    assert os.stat(images.record_path(DIGEST)).st_ino == written


def test_what_was_deleted_meanwhile_is_not_used(layout: Layout) -> None:
    held = added(layout)
    images = Images(layout)
    assert images.delete(held)

    assert not images.use(held, held.identity)

    assert images.all() == []


def test_what_was_used_meanwhile_is_not_deleted(layout: Layout) -> None:
    held = added(layout)
    images = Images(layout)
    images.use(held, held.identity)

    assert not images.delete(held)

    assert os.path.exists(layout.image(DIGEST))
    assert images.get(DIGEST) is not None


def test_a_file_that_came_back_is_not_forgotten(layout: Layout) -> None:
    held = added(layout)
    images = Images(layout)

    assert not images.forget(held)
    assert os.path.exists(layout.image(DIGEST))

    os.unlink(layout.image(DIGEST))
    assert images.forget(held)
    assert images.all() == []
