# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies beside published golden images: the record of each build, and its log."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..common.errors import StoreError
from .digests import digest_of
from .files import read_record
from .layout import Layout

RECORD_IN_IMAGE = "/usr/share/goldsmith/build-record.json"
"""Where the image itself has its record, less what is known only after the build.

Below /usr/share, the place of data that came with the system and does not change (FHS 3.0, 4.11).
"""


@dataclass(frozen=True)
class Published:
    """A golden image that is there."""

    path: str
    record: Mapping[str, t.Any]


def record_path(path: str) -> str:
    """Where the build record of the image at ``path`` is."""
    return f"{path}.json"


def log_path(path: str) -> str:
    """Where the log of the build of the image at ``path`` is."""
    return f"{path}.log"


def read_build_record(path: str) -> dict[str, t.Any] | None:
    """The build record of the image at ``path``, or None where there is none; raises StoreError for a damaged one."""
    return read_record(record_path(path), _with_all_that_is_used)


def _with_all_that_is_used(record: dict[str, t.Any]) -> dict[str, t.Any]:
    """The record; raises KeyError or TypeError where a part is missing or another thing."""
    parts = (("base", "digest"), ("recipe", "steps"), ("image", "digest"), ("packages", "added"))
    str.lower(record["created"])
    return {**record, **{part: {**record[part], key: record[part][key]} for part, key in parts}}


def newest_published(layout: Layout, paths: Iterable[str], fingerprint: str, *, remember: bool) -> Published | None:
    """The image that was built last of those at ``paths``, all of one fingerprint, or None where there is none.

    Raises StoreError when there is another file than its record describes. The file is read only if it is not the one
    that was published here, or has been touched; ``remember`` says whether its digest may be recorded then.
    """
    found = [Published(path, _record_of(path, fingerprint)) for path in paths]
    if not found:
        return None
    newest = max(found, key=lambda image: (image.record["created"], len(image.path), image.path))
    _require_unchanged(layout, newest, remember=remember)
    return newest


def _record_of(path: str, fingerprint: str) -> dict[str, t.Any]:
    record = read_build_record(path) if os.path.exists(path) else None
    if record is None or record.get("fingerprint") != fingerprint:
        raise StoreError(
            f"{path} is there, but {record_path(path)} does not say that it was built by this recipe",
            "Published images are never overwritten: move it away if no guest uses it, or choose another name",
        )
    return record


def _require_unchanged(layout: Layout, image: Published, *, remember: bool) -> None:
    digest = image.record["image"]["digest"]
    found = digest_of(layout, image.path, remember=remember)
    if found != digest:
        raise StoreError(
            f"{image.path} was changed after it was published: its digest was {digest} and is now {found}",
            "Find out whether a guest uses it as its disk, and move it away; the next run builds it anew",
        )
