# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest serial of each product that a signed catalog has shown to this store.

A mirror can serve last year's catalog with its valid signature and so withhold every update since. Who has seen a newer
one notices.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ..catalog.model import Item
from ..common.errors import VerificationError
from .files import known_fields, read_record, write_json
from .layout import Layout, name_of

_KIND = "proved"


@dataclass(frozen=True)
class Proved:
    """What was proved last of a product."""

    publisher: str
    product: str
    serial: str
    index_updated: str
    """When the publisher changed the catalog that said so; of two, the later one is the greater string."""
    index_file: str
    """URL of that catalog."""


def newest_proved(layout: Layout, item: Item) -> Proved | None:
    """What the store has proved of the item's product."""
    return read_record(layout.record_path(_KIND, _name(item)), _proved)


def after(known: Proved | None, item: Item, *, is_newest: bool) -> Proved | None:
    """What counts as proved after ``item`` was; ``is_newest`` when it was asked for as the newest, not by its serial.

    A later catalog with an older newest serial counts as well (the publisher has withdrawn one): that the user wants it
    has been settled by then.
    """
    if not item.serial or not item.proof.index_fingerprint:
        return known
    withdrawn = known is not None and is_newest and item.proof.index_updated > known.index_updated
    if known is None or item.serial > known.serial or (item.serial < known.serial and withdrawn):
        return Proved(
            item.publisher,
            item.product,
            item.serial,
            item.proof.index_updated,
            item.proof.index_file,
        )
    return known


def note_proved(layout: Layout, item: Item, *, is_newest: bool) -> None:
    """Record the item's serial if it is news."""
    known = newest_proved(layout, item)
    news = after(known, item, is_newest=is_newest)
    if news is not None and news != known:
        write_json(layout.record(_KIND, _name(item)), asdict(news))


def refuse_older(known: Proved | None, item: Item) -> None:
    """Raise VerificationError when ``item``, said to be the newest, is older than what was proved before."""
    if known is None or item.serial >= known.serial:
        return
    source = item.proof.index_file or (item.urls[0] if item.urls else item.publisher)
    if item.proof.index_updated > known.index_updated:
        why = "the publisher has withdrawn the newer one, in a catalog that is itself newer"
    else:
        why = "the mirror lags behind, or somebody replays an old catalog to withhold updates"
    raise VerificationError(
        f"{source} says that the newest serial of {known.product} is {item.serial}, but {known.serial} was proved"
        f" before by {known.index_file}: {why}",
        f'Use another mirror, pin `serial: "{known.serial}"`, or set `allow_older: true` to accept {item.serial}',
    )


def _proved(document: Mapping[str, t.Any]) -> Proved:
    return Proved(**known_fields(Proved, document))


def _name(item: Item) -> str:
    return name_of(f"{item.publisher}\n{item.product}")
