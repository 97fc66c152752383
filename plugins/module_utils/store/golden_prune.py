# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which golden images are superseded, and which files go with an image."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Sequence

SUFFIX = ".qcow2"
FAILED = ".failed"
"""Ends the stem of an image that was built and did not pass its checks."""
UNCHECKED = ".unchecked"
"""Ends the stem of one that was built, and whose checks could not be tried."""


class Built(t.Protocol):
    """An image of which it is known when it was built."""

    @property
    def path(self) -> str:
        """Of its file."""

    @property
    def created(self) -> str:
        """As :func:`~..common.age.format_time` writes it."""


_Built = t.TypeVar("_Built", bound=Built)


def beyond(images: Iterable[_Built], *, keep: int, to_come: bool, has_current: bool) -> list[_Built]:
    """The images of one name that are not among the ``keep`` newest; the oldest first.

    :arg to_come: whether there will be one more, the newest of all, which the link then leads to.
    :arg has_current: whether the link leads to one of them. Where it leads nowhere, the newest takes its place.
    """
    kept = keep - 1 if to_come else keep
    least = 0 if to_come or has_current else 1
    oldest_first = sorted(images, key=age_key)
    return oldest_first[: len(oldest_first) - min(len(oldest_first), max(kept, least))]


def age_key(image: Built) -> tuple[str, int, str]:
    """Of two images of a name, the newer one has the greater key; of one moment, the one with the longer name."""
    return (image.created, len(image.path), image.path)


def files_of(names: Iterable[str], images: Sequence[str]) -> dict[str, list[str]]:
    """By the file name of an image, the names of all files that belong to it, sorted.

    They begin with the image's name without its suffix, and a dot; unfinished ones with a further dot before that.
    Where that is true of several images, a file belongs to the one with the longest name.
    """
    stems = {image[: -len(SUFFIX)]: image for image in images}
    found: dict[str, list[str]] = {image: [] for image in images}
    for name in sorted(names):
        stem = name[1:] if name.startswith(".") else name
        while "." in stem:
            stem = stem.rpartition(".")[0]
            if stem in stems:
                found[stems[stem]].append(name)
                break
    return found
