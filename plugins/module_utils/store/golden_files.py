# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden images of a directory, each with the files beside it, and deleting them."""

from __future__ import annotations

import os
import re
import typing as t
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..common.age import parse_time
from ..common.errors import BadRequestError, StoreError
from .digests import forget_digest
from .files import refusal, remove_file, sync_directory
from .golden import Golden
from .golden_prune import FAILED, SUFFIX, UNCHECKED, files_of
from .layout import Layout
from .published import log_path, read_build_record, record_path
from .references import GoldenImage, forget_golden

_RECORD = f"{SUFFIX}.json"
_AFTER_NAME = re.compile(
    rf"-[A-Za-z0-9.+-]+-[0-9a-f]{{8}}(?:-[0-9]{{8}}t[0-9]{{6}}z)?"
    rf"(?P<failed>{re.escape(FAILED)}|{re.escape(UNCHECKED)})?{re.escape(SUFFIX)}"
)


@dataclass(frozen=True)
class GoldenFiles:
    """A golden image, published or failed, and what lies beside it."""

    path: str
    """Of the image."""
    name: str
    created: str
    digest: str
    """``sha256:…`` of the image when it was built."""
    exists: bool
    """Whether the image is there; if not, only what lies beside it is."""
    failed: bool
    """Whether it did not pass its checks, or they could not be tried."""
    registered: tuple[GoldenImage, ...]
    """The store's notes of it; none if another store published it, or if it failed."""
    beside: tuple[str, ...]
    """Paths of the other files, such as converted ones; not of log and record."""

    @property
    def files(self) -> list[str]:
        """Every file that is there, in the order in which they are deleted.

        The record says whose they are, so it goes last: wherever that is interrupted, the next run knows them.
        """
        own = [self.path, log_path(self.path), record_path(self.path)]
        return [*self.beside, *(path for path in own if os.path.lexists(path))]


@dataclass(frozen=True)
class GoldenDirectory:
    """What a directory has of golden images."""

    images: tuple[GoldenFiles, ...]
    unreadable: Mapping[str, str]
    """By the path of an image that this store has registered: why it cannot be told what it is."""
    links: Mapping[str, tuple[str, ...]]
    """By resolved path: the links in this directory that lead there, sorted."""


def read_directory(path: str, notes: Mapping[str, tuple[GoldenImage, ...]]) -> GoldenDirectory:
    """Look into a directory; one that does not exist has nothing.

    :arg notes: what this store has registered in the directory, by file name.
    """
    files, links = _entries(path)
    origins: dict[str, _Origin] = {}
    unreadable = {}
    recorded = {name[: -len(".json")] for name in files if name.endswith(_RECORD)}
    for name in sorted(recorded | (notes.keys() & {*files, *links})):
        try:
            origins[name] = _origin(path, name, is_link=name in links)
        except StoreError as error:
            if name in notes:
                unreadable[os.path.join(path, name)] = error.cause
    owned = files_of(files, sorted({*origins, *notes}))
    images = [
        GoldenFiles(
            path=os.path.join(path, name),
            exists=name in files,
            registered=notes.get(name, ()),
            beside=tuple(os.path.join(path, each) for each in owned[name] if each not in _own(name)),
            **origin,
        )
        for name, origin in origins.items()
    ]
    return GoldenDirectory(tuple(images), unreadable, _by_target(path, links))


def size_on_disk(paths: Iterable[str]) -> int:
    """Bytes that deleting the files frees: holes take none."""
    found = 0
    for path in paths:
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        found += min(status.st_size, status.st_blocks * 512)
    return found


def remove_golden(layout: Layout, image: GoldenFiles) -> None:
    """Delete an image and all that lies beside it. The caller holds the lock of the image's name."""
    directory, record = os.path.dirname(image.path), record_path(image.path)
    for path in image.files:
        if path == record:
            _sync(directory)
        remove_file(path)
    _sync(directory)
    forget_digest(layout, image.path)
    for note in image.registered:
        forget_golden(layout, note)


class _Origin(t.TypedDict):
    name: str
    created: str
    digest: str
    failed: bool


def _origin(directory: str, name: str, *, is_link: bool) -> _Origin:
    """What the build record says of the image; StoreError where there is none, or where it is another image's."""
    path = os.path.join(directory, name)
    if is_link:
        raise StoreError(f"{path} is a link, and no file")
    record = read_build_record(path)
    if record is None:
        raise StoreError(f"it has no build record {record_path(path)}")
    try:
        golden = Golden(directory, record["name"])
    except (BadRequestError, KeyError, TypeError) as error:
        raise StoreError(f"{record_path(path)} does not say whose image it is") from error
    try:
        parse_time(record["created"])
    except (ValueError, TypeError) as error:
        raise StoreError(f"{record_path(path)} does not say when it was built") from error
    after = _AFTER_NAME.fullmatch(name, len(golden.name)) if name.startswith(golden.name) else None
    if after is None:
        raise StoreError(f"{record_path(path)} says that it is an image of the name {golden.name}")
    return {
        "name": golden.name,
        "created": record["created"],
        "digest": str(record["image"]["digest"]),
        "failed": after["failed"] is not None,
    }


def _own(name: str) -> tuple[str, str, str]:
    return (name, log_path(name), record_path(name))


def _entries(path: str) -> tuple[set[str], set[str]]:
    """The names of the regular files, and of the links."""
    files, links = set(), set()
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_symlink():
                    links.add(entry.name)
                elif entry.is_file(follow_symlinks=False):
                    files.add(entry.name)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise refusal(path, error) from error
    return files, links


def _by_target(directory: str, links: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """By resolved path, the links that lead there, without those that a killed run has left unfinished."""
    found: dict[str, list[str]] = {}
    for link in sorted(links):
        if not link.endswith(".tmp"):
            path = os.path.join(directory, link)
            found.setdefault(os.path.realpath(path), []).append(path)
    return {target: tuple(paths) for target, paths in found.items()}


def _sync(directory: str) -> None:
    try:
        sync_directory(directory)
    except OSError as error:
        raise refusal(directory, error) from error
