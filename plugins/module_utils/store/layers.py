# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where builds work: private directories that do not outlive their process for long."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator

from .files import refusal
from .layout import Layout
from .locks import try_lock

_PREFIX = "build-"
_LOCK = "lock"


@contextlib.contextmanager
def workdir(layout: Layout) -> Iterator[str]:
    """A new directory (0700) below the store's layers, removed at the end.

    What killed processes have left there is removed first: a directory belongs to whoever holds the lock in it.
    """
    with contextlib.ExitStack() as stack:
        with no_new_builds(layout):
            _remove_abandoned(layout)
            try:
                path = tempfile.mkdtemp(prefix=_PREFIX, dir=layout.layers)
            except OSError as error:
                raise refusal(layout.layers, error) from error
            stack.callback(shutil.rmtree, path, ignore_errors=True)
            stack.enter_context(try_lock(os.path.join(path, _LOCK)))
        yield path


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
    path = os.path.join(directory, _LOCK)
    if not os.path.exists(path):
        return False
    with try_lock(path) as abandoned:
        return not abandoned


def remove_abandoned(layout: Layout) -> list[str]:
    """Remove what killed builds have left, and return the paths that were removed."""
    with no_new_builds(layout):
        return _remove_abandoned(layout)


def _remove_abandoned(layout: Layout) -> list[str]:
    removed = []
    for path in build_directories(layout):
        with try_lock(os.path.join(path, _LOCK)) as abandoned:
            if abandoned:
                shutil.rmtree(path, ignore_errors=True)
                removed.append(path)
    return removed
