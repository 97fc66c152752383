# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.model import Item, Proof
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import VerificationError
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.proved import newest_proved, note_proved, refuse_older

from .records import SIGNED, item

FIRST, SECOND, THIRD = "20260101", "20260201", "20260201.1"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(str(tmp_path / "store"))
    layout.ensure()
    return layout


def seen(serial: str, updated: str = "2026-03-01T00:00:00Z") -> Item:
    return item(serial=serial, proof=replace(SIGNED, index_updated=updated, index_file=f"https://mirror/{updated}"))


def newest(layout: Layout) -> str:
    known = newest_proved(layout, seen(FIRST))
    return known.serial if known is not None else ""


def test_the_newest_serial_is_kept(layout: Layout) -> None:
    assert newest(layout) == ""
    for serial, expected in ((FIRST, FIRST), (THIRD, THIRD), (SECOND, THIRD)):
        note_proved(layout, seen(serial), is_newest=True)
        assert newest(layout) == expected


def test_products_do_not_mix(layout: Layout) -> None:
    note_proved(layout, item("noble", THIRD), is_newest=True)

    assert newest_proved(layout, item("jammy", FIRST)) is None


@pytest.mark.parametrize(
    "unproved",
    [item(serial=THIRD, proof=Proof("none")), item(serial=THIRD, proof=Proof("checksum")), item(serial="")],
    ids=["none", "checksum", "no serial"],
)
def test_what_nobody_signed_is_not_kept(layout: Layout, unproved: Item) -> None:
    note_proved(layout, unproved, is_newest=True)

    assert newest(layout) == ""


def test_a_replayed_catalog_is_refused_and_told(layout: Layout) -> None:
    note_proved(layout, seen(SECOND, "2026-03-01T00:00:00Z"), is_newest=True)

    with pytest.raises(VerificationError) as refused:
        refuse_older(newest_proved(layout, seen(FIRST)), seen(FIRST, "2026-02-01T00:00:00Z"))

    assert FIRST in str(refused.value)
    assert SECOND in str(refused.value)
    assert "https://mirror/2026-02-01T00:00:00Z" in str(refused.value)
    assert "replays an old catalog" in str(refused.value)
    assert "allow_older" in str(refused.value)


def test_a_withdrawn_serial_is_told_as_such_and_counts_once_it_was_accepted(layout: Layout) -> None:
    note_proved(layout, seen(SECOND, "2026-03-01T00:00:00Z"), is_newest=True)
    withdrawn = seen(FIRST, "2026-04-01T00:00:00Z")

    with pytest.raises(VerificationError, match="has withdrawn"):
        refuse_older(newest_proved(layout, withdrawn), withdrawn)
    note_proved(layout, withdrawn, is_newest=True)

    refuse_older(newest_proved(layout, withdrawn), withdrawn)


def test_accepting_a_lagging_mirror_forgets_nothing(layout: Layout) -> None:
    note_proved(layout, seen(SECOND, "2026-03-01T00:00:00Z"), is_newest=True)
    note_proved(layout, seen(FIRST, "2026-02-01T00:00:00Z"), is_newest=True)

    assert newest(layout) == SECOND


def test_a_pinned_older_serial_is_no_withdrawal(layout: Layout) -> None:
    note_proved(layout, seen(SECOND, "2026-03-01T00:00:00Z"), is_newest=True)
    note_proved(layout, seen(FIRST, "2026-04-01T00:00:00Z"), is_newest=False)

    assert newest(layout) == SECOND


def test_the_same_serial_and_a_newer_one_are_accepted(layout: Layout) -> None:
    note_proved(layout, seen(SECOND), is_newest=True)
    known = newest_proved(layout, seen(SECOND))

    refuse_older(known, seen(SECOND, "2020-01-01T00:00:00Z"))
    refuse_older(known, seen(THIRD))


def test_fields_of_a_later_version_do_no_harm(layout: Layout) -> None:
    note_proved(layout, item(), is_newest=True)
    known = newest_proved(layout, item())
    (path,) = layout.records_of("proved")
    document = json.loads(Path(path).read_text())
    Path(path).write_text(json.dumps({**document, "later": 1}))

    assert newest_proved(layout, item()) == known
