# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answering a request from what the store has proved, without any network."""

from __future__ import annotations

from collections.abc import Iterable

from ..catalog.model import Item, Request, Trust
from ..catalog.publishers import PUBLISHERS
from ..common.errors import BadRequestError
from .images import Image


def recall(images: Iterable[Image], request: Request, trust: Trust) -> Item:
    """The item that ``request`` means, of those that the images came from; the newest for ``latest``.

    Without a keyring and fingerprints the publisher's own keys have to have proved it. What keys a keyring holds is
    not looked at: then any key that was believed when the image was fetched counts.
    Raises BadRequestError, which lists what there is, when none is proved as ``trust`` demands.
    """
    held = [(image, item) for image in images for item in image.sources if item.publisher == request.publisher]
    found = [(image, item) for image, item in held if _matches(item, request)]
    if not found:
        raise BadRequestError(
            f"offline: the store has no image of {_words(request)}",
            f"It has {_listed(item for _image, item in held)}. Set offline: false to fetch it",
        )
    fingerprints = _trusted_fingerprints(request, trust)
    proved = [(image, item) for image, item in found if _is_proved(item, trust, fingerprints)]
    if not proved:
        signers = {key for _image, item in found for key in item.proof.fingerprints}
        if trust.verify == "signature" and signers:
            counted = (
                "fingerprints does not name every one of them"
                if trust.fingerprints
                else "without the option keyring only the publisher's own keys count"
            )
            raise BadRequestError(
                f"offline: the store's image of {_words(request)} was proved by {', '.join(sorted(signers))}; "
                f"{counted}",
                "Give the options keyring and fingerprints as when it was fetched",
            )
        raise BadRequestError(
            f"offline: the store's image of {_words(request)} is not proved as verify: {trust.verify} demands",
            f"It has {_listed(item for _image, item in found)}. Set offline: false to have it proved",
        )
    # An alias such as lts may have moved between two runs: the newer release has it now.
    return max(proved, key=lambda pair: (_version_key(pair[1]), pair[1].serial, pair[0].last_used))[1]


def _matches(item: Item, request: Request) -> bool:
    if request.publisher == "directory":
        directories = tuple(mirror.rstrip("/") + "/" for mirror in request.mirrors)
        return item.name == request.file_name and any(url.startswith(directories) for url in item.urls)
    wanted = request.release.lower()
    return (
        wanted in (item.release.lower(), item.version, *(alias.lower() for alias in item.aliases))
        and item.lineage == request.lineage
        and item.arch == request.arch
        and item.stream == request.stream
        and item.file_type == request.file_type
        and request.serial in ("latest", item.serial)
    )


def _trusted_fingerprints(request: Request, trust: Trust) -> set[str]:
    """Of the keys whose signature counts; empty: every key."""
    own = PUBLISHERS[request.publisher].keys
    if trust.fingerprints or trust.keyring or own is None:
        return set(trust.fingerprints)
    return {*own.checksums, *own.streams}


def _is_proved(item: Item, trust: Trust, fingerprints: set[str]) -> bool:
    if trust.verify == "checksum":
        return item.digest == trust.checksum
    if trust.verify == "none":
        return True
    return item.proof.method == "signature" and (not fingerprints or item.proof.fingerprints <= fingerprints)


def _version_key(item: Item) -> tuple[int, ...]:
    return tuple(int(part) for part in item.version.split(".") if part.isdigit())


def _words(request: Request) -> str:
    if request.publisher == "directory":
        return f"{request.file_name or '(no file_name)'} in {' or '.join(request.mirrors)}"
    serial = "" if request.serial == "latest" else f" {request.serial}"
    return f"{request.release} {request.lineage} {request.arch} {request.file_type} ({request.stream}){serial}"


def _listed(items: Iterable[Item]) -> str:
    texts = sorted(
        {
            f"{item.release} {item.lineage} {item.arch} {item.file_type} ({item.stream}) {item.serial}"
            f" [{item.proof.method}]"
            if item.serial
            else f"{item.product}{item.name} [{item.proof.method}]"
            for item in items
        }
    )
    return ", ".join(texts) or "nothing of this publisher"
