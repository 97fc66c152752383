# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in a raw image: in files, in blocks that were freed, and outside the file systems."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..common.errors import StoreError
from .forms import SHORTEST, Needle, needles
from .model import Hit, Secret

CHUNK = 16 * 1024**2
"""Bytes read at once."""
MOST = 2000
"""Places of one secret that are looked up: a text that is in more of them is no secret."""


@dataclass(frozen=True)
class Found:
    """What a search came to."""

    hits: tuple[Hit, ...]
    not_searched: tuple[str, ...]
    """Labels of secrets that are too short."""
    countless: tuple[str, ...] = ()
    """Labels of secrets with more hits than these."""


def search(path: str, secrets: Sequence[Secret], chunk: int = CHUNK, most: int = MOST) -> Found:
    """Look for every form of every secret in the whole file; holes, which are zeros, are passed over.

    Raises StoreError where the file cannot be read.
    """
    # Two secrets may have one text.
    labels: dict[str, list[str]] = {}
    for secret in secrets:
        if secret.text.strip():
            labels.setdefault(secret.text.strip(), []).append(secret.label)
    short = tuple(label for text, named in labels.items() if len(text) < SHORTEST for label in named)
    wanted = [(needle, text) for text in labels if len(text) >= SHORTEST for needle in needles(text)]
    if not wanted:
        return Found((), short)
    places: dict[str, dict[int, str]] = {text: {} for dummy, text in wanted}
    try:
        for text, offset, form in _matches(path, wanted, chunk):
            if len(places[text]) <= most:
                places[text].setdefault(offset, form)
    except OSError as error:
        raise StoreError(
            f"the raw copy of the image cannot be searched: {error.strerror or error}",
            "Look at the disk that the working directory is on",
        ) from error
    hits = [
        Hit(label, form, offset)
        for text, found in places.items()
        for offset, form in sorted(found.items())[:most]
        for label in labels[text]
    ]
    countless = tuple(label for text, found in places.items() if len(found) > most for label in labels[text])
    return Found(tuple(sorted(hits, key=lambda hit: (hit.offset, hit.secret))), short, countless)


def _matches(path: str, wanted: Sequence[tuple[Needle, str]], chunk: int) -> Iterator[tuple[str, int, str]]:
    """Text, offset and form of each place; a place may come more than once."""
    overlap = max(needle.reach for needle, dummy in wanted)
    with open(path, "rb", buffering=0) as file:
        for offset, data in _chunks(file.fileno(), chunk, overlap):
            for needle, text in wanted:
                yield from ((text, offset + at, form) for at, form in needle.found_in(data))


def _chunks(descriptor: int, chunk: int, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Offset and content of pieces of the file's data, each of which begins with the end of the one before it.

    A needle may reach into a hole only where it has zeros: it is found because each stretch of data is read together
    with as many bytes of the holes around it as a needle may have.
    """
    for begin, end in _stretches(descriptor, overlap):
        at = begin
        while True:
            data = _read(descriptor, min(chunk + overlap, end - at), at)
            yield at, data
            at += len(data) - overlap
            # Fewer bytes than that are there only where the file ends.
            if len(data) <= overlap or at + overlap >= end:
                break


def _stretches(descriptor: int, margin: int) -> Iterable[tuple[int, int]]:
    """Where there is data, with so many bytes around it, joined where they meet."""
    size = os.fstat(descriptor).st_size
    joined: list[tuple[int, int]] = []
    at = 0
    while at < size:
        try:
            begin = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:
            # ENXIO: from here on there is none.
            break
        at = os.lseek(descriptor, begin, os.SEEK_HOLE)
        first, last = max(0, begin - margin), min(size, at + margin)
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _read(descriptor: int, count: int, offset: int) -> bytes:
    """So many bytes, unless the file ends before."""
    parts = []
    while count > 0:
        data = os.pread(descriptor, count, offset)
        if not data:
            break
        parts.append(data)
        count, offset = count - len(data), offset + len(data)
    return b"".join(parts)
