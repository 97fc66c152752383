# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verified images of a store, and what is known of each."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from ..catalog.model import Item, Proof
from ..common.age import format_time, now, parse_time
from ..common.errors import StoreError
from .files import Identity, hash_file, identity_of, known_fields, read_record, remove_file, write_json
from .layout import Layout, hex_of

_KIND = "images"
_USE_RESOLUTION = timedelta(minutes=1)


@dataclass(frozen=True)
class Image:
    """One file below ``images``."""

    digest: str
    """``sha256:…`` of the file as it lies in the store, unpacked."""
    size: int
    """Bytes of the file."""
    identity: Identity
    format: str
    """qemu-img's word: ``qcow2``, ``raw``, ``vpc``, ``vmdk``; empty for what is not a disk image."""
    virtual_size: int | None
    """Bytes that a guest sees; None for what is not a disk image."""
    sources: tuple[Item, ...]
    """Every item that was found to be this file, each with the digest of the file as published."""
    added: str
    """As :func:`~..common.age.format_time` writes it."""
    last_used: str

    def source(self, item: Item) -> Item | None:
        """The source that is the same publication as ``item``."""
        return next((source for source in self.sources if _publication(source) == _publication(item)), None)

    def with_source(self, item: Item) -> Image:
        """With ``item`` among the sources.

        A weaker proof does not take the place of a signature, and one by the same keys is no news.
        """
        known = self.source(item)
        if known is not None and _strength(known) > _strength(item):
            return self
        if known is not None and (known.proof.method, known.proof.fingerprints) == (
            item.proof.method,
            item.proof.fingerprints,
        ):
            return self
        others = tuple(source for source in self.sources if source is not known)
        return replace(self, sources=(*others, item))


def _publication(item: Item) -> tuple[str, ...]:
    return (item.publisher, item.product, item.serial, item.file_type, item.name, item.digest)


def _strength(item: Item) -> int:
    return ("none", "checksum", "signature").index(item.proof.method)


class Images:
    """The images of one store. What writes needs the store's directories to exist."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def all(self) -> list[Image]:
        """Every recorded image, by digest; whether its file is still there is another question."""
        images = (read_record(path, _image) for path in self._layout.records_of(_KIND))
        return [image for image in images if image is not None]

    def get(self, digest: str) -> Image | None:
        """The image with this ``sha256:…`` digest."""
        return read_record(self.record_path(digest), _image)

    def record_path(self, digest: str) -> str:
        return self._layout.record_path(_KIND, hex_of(digest))

    def published_as(self, digest: str) -> Image | None:
        """The image that was published with this ``sha256:…`` or ``sha512:…`` digest, or that has it itself."""
        for image in self.all():
            if digest in (image.digest, *(source.digest for source in image.sources)):
                return image
        return None

    def update(self, digest: str, change: Callable[[Image | None], Image | None]) -> Image | None:
        """Replace an image's record by what ``change`` makes of it, while nobody else does; None removes it."""
        with self._layout.lock(_KIND):
            known = self.get(digest)
            image = change(known)
            if image is None:
                remove_file(self.record_path(digest))
            elif image != known:
                write_json(self._layout.record(_KIND, hex_of(digest)), asdict(image))
        return image

    def add(self, image: Image) -> None:
        """Record a file that has been published; what was known of its sources stays."""

        def change(known: Image | None) -> Image:
            if known is None:
                return image
            merged = known
            for source in image.sources:
                merged = merged.with_source(source)
            return replace(image, sources=merged.sources, added=known.added)

        self.update(image.digest, change)

    def present_identity(self, image: Image) -> Identity | None:
        """What the image's file is now, or None where it is gone; StoreError when it is no longer what was verified.

        The file is read only when its identity says that something touched it, or copied it to another disk.
        """
        path = self._layout.image(image.digest)
        identity = identity_of(path)
        if identity is not None and identity != image.identity:
            require_digest(path, image.digest)
        return identity

    def use(self, image: Image, identity: Identity, item: Item | None = None) -> bool:
        """Note that the image, found to be ``identity``, is being used, and ``item`` as one of its sources.

        False when it was deleted since it was found. The time is kept to the minute, so that not every run writes.
        """

        def change(known: Image | None) -> Image | None:
            if known is None or identity_of(self._layout.image(image.digest)) != identity:
                return known
            used = replace(known, identity=identity)
            if item is not None:
                used = used.with_source(item)
            moment = now()
            if moment - parse_time(used.last_used) >= _USE_RESOLUTION:
                used = replace(used, last_used=format_time(moment))
            return used

        noted = self.update(image.digest, change)
        return noted is not None and noted.identity == identity

    def delete(self, image: Image) -> bool:
        """Delete the file and its record, unless it has been used since it was looked at; whether it is gone."""
        path = self._layout.image(image.digest)

        def change(known: Image | None) -> Image | None:
            if known == image:
                remove_file(path)
                return None
            return known

        return self.update(image.digest, change) is None

    def forget(self, image: Image) -> bool:
        """Delete the record of a file that is gone, unless it has come back by now; whether it is deleted."""

        def change(known: Image | None) -> Image | None:
            return known if os.path.exists(self._layout.image(image.digest)) else None

        return self.update(image.digest, change) is None


def require_digest(path: str, digest: str) -> None:
    """Read a file of the store and raise StoreError when it is not what its name says."""
    found = hash_file(path)
    if found != digest:
        raise StoreError(
            f"{path} is not what was verified: something has written to it, and its digest is now {found}",
            "Find out whether a guest uses it as its disk, and move it away; the next run fetches the image anew",
        )


def _image(document: Mapping[str, t.Any]) -> Image:
    sources = tuple(_item(source) for source in document["sources"])
    return Image(**{**known_fields(Image, document), "identity": Identity(**document["identity"]), "sources": sources})


def _item(document: Mapping[str, t.Any]) -> Item:
    return Item(
        **{
            **known_fields(Item, document),
            "urls": tuple(document["urls"]),
            "aliases": tuple(document.get("aliases", ())),
            "proof": Proof(**known_fields(Proof, document["proof"])),
        }
    )
