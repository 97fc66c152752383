# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where builds work: private directories that do not outlive their process for long."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator

from ..common.errors import StoreError
from .files import refusal
from .layout import Layout
from .locks import is_locked, lock, try_lock

_PREFIX = "build-"
_LOCK = "lock"
_ELSEWHERE = "elsewhere"
"""A link to the directory that the build really works in."""


@contextlib.contextmanager
def workdir(layout: Layout, parent: str | None = None) -> Iterator[str]:
    """A new directory (0700) below the store's layers, or below ``parent``, removed at the end.

    What killed processes have left there is removed first: a directory belongs to whoever holds the lock in it. One
    below ``parent`` has a directory in the layers all the same, with a link to it, by which others find it.
    """
    with contextlib.ExitStack() as stack:
        with no_new_builds(layout):
            _remove_abandoned(layout)
            path = _make(layout.layers)
            stack.callback(_remove, path)
            # Others may just be trying whether it is free; nobody keeps it.
            stack.enter_context(lock(os.path.join(path, _LOCK)))
            if parent is not None and os.path.realpath(parent) != os.path.realpath(layout.layers):
                path = _make_elsewhere(path, os.path.abspath(parent))
        yield path


def _make(parent: str) -> str:
    try:
        return tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
    except OSError as error:
        raise refusal(parent, error) from error


def _make_elsewhere(path: str, parent: str) -> str:
    """Make the directory that the one at ``path`` leads to; the link comes first, so that a killed build leaves it."""
    elsewhere = os.path.join(parent, os.path.basename(path))
    try:
        os.symlink(elsewhere, os.path.join(path, _ELSEWHERE))
        os.mkdir(elsewhere, 0o700)
    except OSError as error:
        raise refusal(parent, error) from error
    return elsewhere


def _remove(path: str) -> None:
    """Remove a directory of a build, and first the one that it leads to."""
    elsewhere = os.path.join(path, _ELSEWHERE)
    if os.path.islink(elsewhere) and os.path.basename(os.readlink(elsewhere)).startswith(_PREFIX):
        shutil.rmtree(os.readlink(elsewhere), ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)


def overlays_in(directory: str) -> list[str]:
    """The overlays of a build, by its directory in the layers."""
    places = [glob.escape(directory), os.path.join(glob.escape(directory), _ELSEWHERE)]
    return [path for place in places for path in glob.glob(os.path.join(place, "*.qcow2"))]


def no_new_builds(layout: Layout) -> contextlib.AbstractContextManager[None]:
    """While it is held, no build makes its directory."""
    return layout.lock("layers")


def build_directories(layout: Layout) -> list[str]:
    """Every directory that :func:`workdir` has made and that is still there, sorted."""
    try:
        names = sorted(os.listdir(layout.layers))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise refusal(layout.layers, error) from error
    return [os.path.join(layout.layers, name) for name in names if name.startswith(_PREFIX)]


def is_in_use(directory: str) -> bool:
    """Whether a build is under way in a directory of :func:`workdir`; writes nothing."""
    return is_locked(os.path.join(directory, _LOCK))


def began(directory: str) -> float | None:
    """When the build began that is under way in a directory of :func:`workdir`; None where there is none any more."""
    try:
        moment = os.stat(os.path.join(directory, _LOCK)).st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    return moment if is_in_use(directory) else None


def remove_abandoned(layout: Layout) -> list[str]:
    """Remove what killed builds have left, and return the paths that were removed."""
    with no_new_builds(layout):
        return _remove_abandoned(layout)


def _remove_abandoned(layout: Layout) -> list[str]:
    removed = []
    for path in build_directories(layout):
        try:
            with try_lock(os.path.join(path, _LOCK)) as abandoned:
                if abandoned:
                    _remove(path)
                    removed.append(path)
        except StoreError:
            # A build that ends removes its directory itself.
            if os.path.isdir(path):
                raise
    return removed
