# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.store.golden_prune import beyond, files_of


@dataclass(frozen=True)
class Image:
    path: str
    created: str


A, B, C, D = (Image(f"/golden/web-{number}-1a2b3c4d.qcow2", f"2026-0{number}-01T00:00:00Z") for number in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("keep", "to_come", "has_current", "gone"),
    [
        (4, False, True, []),
        (9, False, True, []),
        (3, False, True, [A]),
        (1, False, True, [A, B, C]),
        (0, False, True, [A, B, C, D]),
        # The link leads nowhere: one of them has to stay.
        (0, False, False, [A, B, C]),
        (1, False, False, [A, B, C]),
        # One more is about to be built, which then is the newest and the current one.
        (4, True, True, [A]),
        (1, True, True, [A, B, C, D]),
        (0, True, False, [A, B, C, D]),
    ],
)
def test_what_is_beyond(keep: int, to_come: bool, has_current: bool, gone: list[Image]) -> None:
    assert beyond([C, A, D, B], keep=keep, to_come=to_come, has_current=has_current) == gone


def test_of_two_of_one_moment_the_longer_name_is_the_newer() -> None:
    rebuilt = Image("/golden/web-1-1a2b3c4d-20260101t000000z.qcow2", A.created)
    assert beyond([rebuilt, A], keep=1, to_come=False, has_current=True) == [A]


_images = st.lists(
    st.builds(
        lambda day, number: Image(f"/golden/web-{number}-1a2b3c4d.qcow2", f"{day.isoformat()}T00:00:00Z"),
        st.dates(),
        st.integers(0, 99),
    ),
    unique_by=lambda image: image.path,
    max_size=10,
)


@given(_images, st.integers(0, 12), st.booleans(), st.booleans())
def test_never_too_many_are_beyond(images: list[Image], keep: int, to_come: bool, has_current: bool) -> None:
    gone = beyond(images, keep=keep, to_come=to_come, has_current=has_current)
    kept = [image for image in images if image not in gone]
    assert len(gone) + len(kept) == len(images)
    assert len(kept) + to_come >= min(keep, len(images))
    assert to_come or has_current or not images or kept
    assert all(old.created <= new.created for old in gone for new in kept)
    assert gone == sorted(gone, key=lambda image: image.created)
    # Who keeps more never loses one that stayed before.
    assert set(beyond(images, keep=keep + 1, to_come=to_come, has_current=has_current)) <= set(gone)


@given(_images, st.integers(0, 12))
def test_an_image_to_come_predicts_what_goes_after_it(images: list[Image], keep: int) -> None:
    new = Image("/golden/web-100-1a2b3c4d.qcow2", "9999-12-31T23:59:59Z")
    predicted = beyond(images, keep=keep, to_come=True, has_current=True)
    found = beyond([*images, new], keep=keep, to_come=False, has_current=True)
    # The link leads to the new one then, so that it stays in any case.
    assert predicted == [image for image in found if image != new]


ONE, OTHER = "web-20261010.1-1a2b3c4d.qcow2", "web-20261010.1-1a2b3c4d-20261011t000000z.qcow2"


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        (ONE, ONE),
        (f"{ONE}.json", ONE),
        (f".{ONE}.json.abc.tmp", ONE),
        ("web-20261010.1-1a2b3c4d.vmdk", ONE),
        ("web-20261010.1-1a2b3c4d.spdx.json", ONE),
        ("web-20261010.1-1a2b3c4d.vmdk.sha256", ONE),
        ("web-20261010.1-1a2b3c4d.small.qcow2", ONE),
        (OTHER, OTHER),
        ("web-20261010.1-1a2b3c4d-20261011t000000z.raw", OTHER),
        ("web-20261010.1-1a2b3c4d", None),
        ("web-20261010.1-1a2b3c4d-notes", None),
        ("web-20261010.vmdk", None),
        ("web.qcow2", None),
        (".web.qcow2.1a2b3c4d.tmp", None),
        ("web-20261010.1-1a2b3c4dd.vmdk", None),
        ("..web-20261010.1-1a2b3c4d.vmdk", None),
    ],
)
def test_whose_file_it_is(name: str, owner: str | None) -> None:
    owners = [image for image, names in files_of([name], [ONE, OTHER]).items() if names]
    assert owners == ([] if owner is None else [owner])


def test_files_of_a_failed_image_are_not_those_of_the_one_that_took_its_name() -> None:
    failed = "web-1-1a2b3c4d.failed.qcow2"
    names = [failed, f"{failed}.json", "web-1-1a2b3c4d.failed.console.log", "web-1-1a2b3c4d.vmdk"]
    assert files_of(names, ["web-1-1a2b3c4d.qcow2", failed]) == {
        failed: sorted(names[:3]),
        "web-1-1a2b3c4d.qcow2": [names[3]],
    }


_words = st.text(alphabet="ab.", min_size=1, max_size=6)


@given(st.lists(_words), st.lists(_words, unique=True, max_size=4))
def test_a_file_has_one_owner_the_nearest(names: list[str], stems: list[str]) -> None:
    found = files_of(set(names), [f"{stem}.qcow2" for stem in stems])
    for name in set(names):
        bare = name[1:] if name.startswith(".") else name
        owners = [image for image, own in found.items() if name in own]
        longest = max((stem for stem in stems if bare.startswith(f"{stem}.")), key=len, default=None)
        assert owners == ([] if longest is None else [f"{longest}.qcow2"])
