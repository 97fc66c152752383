# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.store.images import Image
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.prune import decide, superseded

from .records import digest_of, image, item

OLD, MIDDLE, NEW = "20260101", "20260201", "20260301"


def held() -> list[Image]:
    """Three serials of noble, one of jammy; each used when it was published."""
    return [
        image(item("noble", OLD), last_used="2026-01-01T00:00:00Z"),
        image(item("noble", MIDDLE), last_used="2026-02-01T00:00:00Z"),
        image(item("noble", NEW), last_used="2026-03-01T00:00:00Z"),
        image(item("jammy", OLD), last_used="2026-01-01T00:00:00Z"),
    ]


@pytest.mark.parametrize(
    ("keep", "unused_since", "gone"),
    [
        (None, None, []),
        (3, None, []),
        (2, None, [("noble", OLD)]),
        (1, None, [("noble", OLD), ("noble", MIDDLE)]),
        (0, None, [("noble", OLD), ("noble", MIDDLE), ("noble", NEW), ("jammy", OLD)]),
        (None, "2026-02-01T00:00:00Z", [("noble", OLD), ("jammy", OLD)]),
        (None, "2025-01-01T00:00:00Z", []),
        (1, "2026-02-01T00:00:00Z", [("noble", OLD)]),
        (0, "2026-02-02T00:00:00Z", [("noble", OLD), ("noble", MIDDLE), ("jammy", OLD)]),
    ],
)
def test_what_is_superseded(keep: int | None, unused_since: str | None, gone: list[tuple[str, str]]) -> None:
    found = superseded(held(), keep=keep, unused_since=unused_since)

    assert [(each.sources[0].release, each.sources[0].serial) for each in found] == gone


def test_an_image_stays_if_any_of_its_products_keeps_it() -> None:
    daily = item("noble", NEW, product="com.ubuntu.cloud.daily:server:24.04:amd64", stream="daily")
    both = image(item("noble", OLD), daily)

    assert superseded([both, image(item("noble", NEW))], keep=1, unused_since=None) == []


def test_an_image_that_is_two_serials_of_a_product_counts_once() -> None:
    twice = image(item("noble", MIDDLE), item("noble", NEW, digest=digest_of("nobleMIDDLE")))
    older = image(item("noble", OLD))

    assert superseded([older, twice], keep=2, unused_since=None) == []


def test_of_a_directory_without_serials_the_last_added_is_the_newest() -> None:
    def of_directory(text: str, added: str) -> Image:
        source = item(
            publisher="directory", product="https://mirror/d/", serial="", file_type="", digest=digest_of(text)
        )
        return image(source, added=added)

    first, second = of_directory("one", "2026-01-01T00:00:00Z"), of_directory("two", "2026-02-01T00:00:00Z")

    assert superseded([second, first], keep=1, unused_since=None) == [first]


def test_what_is_needed_stays_and_tells_why() -> None:
    images = held()

    decision = decide(images[:2], {images[0].digest: ["a golden image"], images[3].digest: ["a domain"]})

    assert decision.removed == (images[1],)
    assert decision.needed == {images[0].digest: ("a golden image",)}


_serials = st.sampled_from([OLD, MIDDLE, NEW, "20260401.1"])
_times = st.dates().map(lambda day: f"{day.isoformat()}T00:00:00Z")
_images = st.lists(
    st.builds(
        lambda release, serial, last_used, number: image(
            item(release, serial), digest=digest_of(str(number)), last_used=last_used
        ),
        st.sampled_from(["jammy", "noble"]),
        _serials,
        _times,
        st.integers(0, 1000),
    ),
    unique_by=lambda each: each.digest,
    max_size=12,
)


@given(_images, st.integers(0, 4), st.none() | _times, st.sets(st.integers(0, 11)))
def test_pruning_never_takes_too_much(images: list[Image], keep: int, since: str | None, used: set[int]) -> None:
    needed = {images[number].digest: ["a domain"] for number in used if number < len(images)}

    removed = decide(superseded(images, keep=keep, unused_since=since), needed).removed
    kept = [each for each in images if each not in removed]

    assert not {each.digest for each in removed} & set(needed)
    for release in ("jammy", "noble"):
        of_product = [each for each in images if each.sources[0].release == release]
        left = [each for each in kept if each.sources[0].release == release]
        assert len(left) >= min(keep, len(of_product))
        oldest_gone = [each.sources[0].serial for each in removed if each.sources[0].release == release]
        newest = sorted((each.sources[0].serial for each in of_product), reverse=True)[:keep]
        assert all(serial <= min(newest, default="~") for serial in oldest_gone)
    assert since is None or all(each.last_used < since for each in removed)


@given(_images, st.integers(0, 4), st.none() | _times)
def test_keeping_more_never_removes_more(images: list[Image], keep: int, since: str | None) -> None:
    fewer = superseded(images, keep=keep + 1, unused_since=since)

    assert set(map(id, fewer)) <= set(map(id, superseded(images, keep=keep, unused_since=since)))
