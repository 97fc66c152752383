# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in a raw image: in files, in blocks that were freed, and outside the file systems."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..common.errors import StoreError
from .forms import SHORTEST, forms
from .model import Hit, Secret

CHUNK = 16 * 1024**2
"""Bytes read at once."""
MOST = 5
"""Hits of one form of a secret that are told: who finds them looks for more."""


@dataclass(frozen=True)
class Found:
    """What a search came to."""

    hits: tuple[Hit, ...]
    not_searched: tuple[str, ...]
    """Labels of secrets that are too short."""


def search(path: str, secrets: Sequence[Secret], chunk: int = CHUNK) -> Found:
    """Look for every form of every secret in the whole file; holes, which are zeros, are passed over.

    Raises StoreError where the file cannot be read.
    """
    long = [secret for secret in secrets if len(secret.text.strip()) >= SHORTEST]
    short = tuple(secret.label for secret in secrets if secret not in long and secret.text.strip())
    # Two secrets may have one text.
    needles: dict[bytes, list[tuple[str, str]]] = {}
    for secret in long:
        for needle, form in forms(secret.text).items():
            needles.setdefault(needle, []).append((secret.label, form))
    if not needles:
        return Found((), short)
    hits: dict[tuple[str, str], list[int]] = {}
    try:
        for needle, offset in _matches(path, list(needles), chunk):
            for key in needles[needle]:
                hits.setdefault(key, []).append(offset)
    except OSError as error:
        raise StoreError(
            f"the raw copy of the image cannot be searched: {error.strerror or error}",
            "Look at the disk that the working directory is on",
        ) from error
    found = [
        Hit(label, form, offset) for (label, form), offsets in hits.items() for offset in sorted(set(offsets))[:MOST]
    ]
    return Found(tuple(sorted(found, key=lambda hit: (hit.offset, hit.secret))), short)


def _matches(path: str, needles: Sequence[bytes], chunk: int) -> Iterator[tuple[bytes, int]]:
    """Needle and offset, of each needle a few."""
    overlap = max(len(needle) for needle in needles) - 1
    left = dict.fromkeys(needles, MOST)
    with open(path, "rb", buffering=0) as file:
        for offset, data in _chunks(file.fileno(), chunk, overlap):
            for needle in [needle for needle in needles if left[needle]]:
                at = data.find(needle)
                while at >= 0 and left[needle]:
                    left[needle] -= 1
                    yield needle, offset + at
                    at = data.find(needle, at + 1)


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
