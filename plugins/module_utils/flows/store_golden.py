# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pruning golden images that newer ones have superseded."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

from ..common.errors import StoreError
from ..common.open_files import opened_by
from ..store.digests import digest_of
from ..store.golden import Golden
from ..store.golden_files import GoldenDirectory, GoldenFiles, read_directory, remove_golden, size_on_disk
from ..store.golden_prune import SUFFIX, beyond
from ..store.layout import Layout
from ..store.published import read_build_record
from ..store.references import GoldenImage, golden_images, registered_images
from .held import Held
from .store_golden_request import Wish


@dataclass(frozen=True)
class Kept:
    """An image that ``keep`` did not keep, but something else does."""

    path: str
    name: str | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Removed:
    """An image that was or would be deleted."""

    image: GoldenFiles
    files: tuple[str, ...]
    size: int
    """Bytes of the image."""
    freed: int
    """Bytes on the disk that all its files take."""

    @property
    def is_leftover(self) -> bool:
        """Whether it was never published, or had been deleted before."""
        return self.image.failed or not self.image.exists


@dataclass
class GoldenPruning:
    """What is to be pruned unless somebody holds it, and then what was."""

    candidates: list[GoldenFiles] = field(default_factory=list)
    """Of each name, the oldest first."""
    kept: list[Kept] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)

    @property
    def gone(self) -> set[str]:
        """The resolved paths of the images that are or would be deleted."""
        return {os.path.realpath(removed.image.path) for removed in self.removed}


def plan_golden(
    layout: Layout, wish: Wish, failed_before: str | None, take_lock: Callable[[str], bool]
) -> GoldenPruning:
    """Find out what is superseded.

    :arg failed_before: failed images that were built before that moment are meant as well.
    :arg take_lock: is called with the name of the lock of what is meant; False where somebody else has it.
    """
    plan = GoldenPruning()
    for directory in _directories(layout, wish):
        found = read_directory(directory, _notes(layout, directory))
        for path, reason in sorted(found.unreadable.items()):
            if wish.name is None or os.path.basename(path).startswith(f"{wish.name}-"):
                plan.kept.append(Kept(path, None, (reason,)))
        for name in sorted({image.name for image in found.images if wish.name in (None, image.name)}):
            golden = Golden(directory, name)
            candidates, kept = _sort_out(golden, found, wish, failed_before)
            if candidates and take_lock(golden.lock_name):
                # A build may have ended just now.
                found_now = read_directory(directory, _notes(layout, directory))
                candidates, kept = _sort_out(golden, found_now, wish, failed_before)
            elif candidates:
                kept += [Kept(image.path, name, (f"a build of {name} is under way",)) for image in candidates]
                candidates = []
            plan.candidates += candidates
            plan.kept += kept
    return plan


def prune_golden(plan: GoldenPruning, layout: Layout, held: Held, check_mode: bool) -> None:
    """Delete the candidates that nothing holds; the caller holds the locks of their names."""
    holders = held.holders_by_file()
    opened = opened_by(path for image in plan.candidates for path in image.files)
    for image in plan.candidates:
        reasons = [f"it may be in use by {unknown}" for unknown in sorted(held.unknown)]
        for path in image.files:
            what = "it" if path == image.path else path
            reasons += [f"{holder} uses {what}" for holder in sorted(holders.get(_identity(path), ()))]
            reasons += [f"process {process} has {what} open" for process in opened.get(path, ())]
        reasons = reasons or _changed_since(layout, image, check_mode)
        if reasons:
            plan.kept.append(Kept(image.path, image.name, tuple(reasons)))
            continue
        files = tuple(image.files)
        size = os.lstat(image.path).st_size if image.exists else 0
        plan.removed.append(Removed(image, files, size, size_on_disk(files)))
        if not check_mode:
            remove_golden(layout, image)


def golden_result(layout: Layout, pruning: GoldenPruning) -> dict[str, t.Any]:
    """What the module returns of golden images with ``state: pruned``."""
    return {
        "golden_images": listed_golden(layout, pruning.gone),
        "removed_golden": [
            {
                "path": each.image.path,
                "name": each.image.name,
                "created": each.image.created,
                "digest": each.image.digest,
                "size": each.size,
                "files": [path for path in each.files if path != each.image.path],
            }
            for each in pruning.removed
            if not each.is_leftover
        ],
        "kept_golden": [
            {"path": each.path, "name": each.name, "reasons": list(each.reasons)}
            for each in sorted(pruning.kept, key=lambda each: each.path)
        ],
    }


def listed_golden(layout: Layout, gone: Container[str] = ()) -> list[dict[str, t.Any]]:
    """What the module tells of every golden image that the store has registered and that is not ``gone``."""
    return [_told(note) for note in golden_images(layout, gone)]


def _told(note: GoldenImage) -> dict[str, t.Any]:
    path = note.image_path
    try:
        record = read_build_record(path) or {}
    except StoreError:
        record = {}
    link = os.path.join(os.path.dirname(path), f"{record.get('name')}{SUFFIX}")
    return {
        "path": path,
        "name": record.get("name"),
        "created": record.get("created"),
        "digest": record.get("image", {}).get("digest"),
        "size": os.lstat(path).st_size,
        "current": os.path.islink(link) and os.path.realpath(link) == os.path.realpath(path),
    }


def _directories(layout: Layout, wish: Wish) -> list[str]:
    """The directories that are meant, each once, however many paths lead there."""
    if wish.directory is not None:
        return [wish.directory]
    directories = (os.path.dirname(note.image_path) for note in registered_images(layout))
    return sorted({os.path.realpath(directory): directory for directory in directories}.values())


def _notes(layout: Layout, directory: str) -> dict[str, tuple[GoldenImage, ...]]:
    """By file name, the store's notes of what is in a directory."""
    notes: dict[str, tuple[GoldenImage, ...]] = {}
    for note in registered_images(layout):
        parent, name = os.path.split(note.image_path)
        if os.path.realpath(parent) == os.path.realpath(directory):
            notes[name] = (*notes.get(name, ()), note)
    return notes


def _sort_out(
    golden: Golden, found: GoldenDirectory, wish: Wish, failed_before: str | None
) -> tuple[list[GoldenFiles], list[Kept]]:
    """Of the images of one name, those that are meant, and those that something in their directory keeps."""
    images = [image for image in found.images if image.name == golden.name]
    published = [image for image in images if image.exists and image.registered and not image.failed]
    links = _links(golden, found, wish)
    has_current = any(golden.link in links.get(os.path.realpath(image.path), ()) for image in published)
    newest = max((image.created for image in published), default="")
    meant = beyond(published, keep=wish.keep, to_come=wish.to_come, has_current=has_current)
    failed = [image for image in images if image.failed]
    meant += failed if wish.to_come else [image for image in failed if image.created < max(newest, failed_before or "")]
    # Who deletes an image by hand may want to keep what was made of it.
    vanished = [image for image in images if image.registered and not image.exists]
    meant += [image for image in vanished if not _visible(image.beside)]
    candidates = []
    kept = [
        Kept(image.path, image.name, ("this store has not published it",))
        for image in images
        if image.exists and not image.registered and not image.failed
    ]
    for image in meant:
        reasons = [
            f"the link {link} leads to {'it' if path == image.path else path}"
            for path in image.files
            for link in links.get(os.path.realpath(path), ())
        ]
        if os.path.lexists(golden.link) and not os.path.islink(golden.link):
            reasons.append(f"{golden.link} is not a link, so that it cannot be told which image is the current one")
        if reasons:
            kept.append(Kept(image.path, image.name, tuple(reasons)))
        else:
            candidates.append(image)
    return candidates, kept


def _links(golden: Golden, found: GoldenDirectory, wish: Wish) -> dict[str, list[str]]:
    """By resolved path, the links that lead there; in check mode, that of the name is where it would be."""
    moved = wish.to_come or wish.current is not None
    links = {
        target: [link for link in links if not (moved and link == golden.link)] for target, links in found.links.items()
    }
    if wish.current is not None:
        links.setdefault(os.path.realpath(wish.current), []).append(golden.link)
    return links


def _visible(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if not os.path.basename(path).startswith(".")]


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)


def _changed_since(layout: Layout, image: GoldenFiles, check_mode: bool) -> list[str]:
    """Why an image is not deleted that was written to: it may be somebody's disk. It is read only if it was touched."""
    if image.failed or not image.exists:
        return []
    try:
        found = digest_of(layout, image.path, remember=not check_mode)
    except StoreError as error:
        return [error.cause]
    if found != image.digest:
        return [f"it was changed after it was published: its digest was {image.digest} and is now {found}"]
    return []
