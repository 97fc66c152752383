# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images of a store may go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..catalog.model import Item
from .images import Image


@dataclass(frozen=True)
class Decision:
    """What becomes of the images that nobody asked to keep."""

    removed: tuple[Image, ...]
    needed: Mapping[str, Sequence[str]]
    """By digest: why an image stays that would have to go by its age and its successors."""


def superseded(images: Iterable[Image], *, keep: int | None, unused_since: str | None) -> list[Image]:
    """The images that are not among the ``keep`` newest of any product, and not used since ``unused_since``.

    None means that this does not matter; of two Nones no image is meant.
    """
    if keep is None and unused_since is None:
        return []
    images = list(images)
    recent = set() if keep is None else _newest(images, keep)
    return [
        image
        for image in images
        if image.digest not in recent and (unused_since is None or image.last_used < unused_since)
    ]


def decide(candidates: Iterable[Image], needed: Mapping[str, Sequence[str]]) -> Decision:
    """Of the ``candidates`` those stay that ``needed`` has, which gives the reasons by digest."""
    candidates = list(candidates)
    return Decision(
        tuple(image for image in candidates if not needed.get(image.digest)),
        {image.digest: tuple(needed[image.digest]) for image in candidates if needed.get(image.digest)},
    )


def _newest(images: Sequence[Image], keep: int) -> set[str]:
    """Digests of the ``keep`` newest images of each product."""
    products: dict[tuple[str, ...], list[tuple[str, str, str]]] = {}
    for image in images:
        for source in image.sources:
            products.setdefault(_product(source), []).append((source.serial, image.added, image.digest))
    newest: set[str] = set()
    for versions in products.values():
        # One image may stand for several serials of a product: it counts once, by the latest.
        by_digest = {digest: (serial, added) for serial, added, digest in sorted(versions)}
        newest.update(sorted(by_digest, key=by_digest.__getitem__, reverse=True)[:keep])
    return newest


def _product(source: Item) -> tuple[str, ...]:
    """What later versions of a source have in common with it."""
    return (source.publisher, source.product, source.file_type or source.name)
