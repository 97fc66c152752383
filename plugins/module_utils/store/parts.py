# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are not complete yet, and what is left when a process was killed."""

from __future__ import annotations

import contextlib
import os

from .files import refusal, remove_file
from .layers import build_directories, is_in_use, remove_abandoned
from .layout import Layout


def part_path(layout: Layout, key: str) -> str:
    """Where an image that is not complete yet grows; ``key`` tells it from all others."""
    return os.path.join(layout.images, f".{key}.part")


def part_lock(layout: Layout, key: str) -> contextlib.AbstractContextManager[None]:
    """Held by whoever works on that image, waiting for others."""
    return layout.lock(_part_lock(key))


def leftovers(layout: Layout) -> list[str]:
    """Paths of what killed processes have left: incomplete images, what lies beside them, and builds' directories."""
    parts = [path for key, paths in _parts(layout).items() if not layout.is_locked(_part_lock(key)) for path in paths]
    return sorted(parts + [path for path in build_directories(layout) if not is_in_use(path)])


def remove_leftovers(layout: Layout) -> list[str]:
    """Delete what :func:`leftovers` tells, and return the paths that were deleted."""
    removed = []
    for key, paths in _parts(layout).items():
        with layout.try_lock(_part_lock(key)) as locked:
            if locked:
                for path in paths:
                    remove_file(path)
                removed += paths
    if build_directories(layout):
        removed += remove_abandoned(layout)
    return sorted(removed)


def _part_lock(key: str) -> str:
    return f"image:{key}"


def _parts(layout: Layout) -> dict[str, list[str]]:
    """What lies around of incomplete images, by key."""
    parts: dict[str, list[str]] = {}
    try:
        names = sorted(os.listdir(layout.images))
    except FileNotFoundError:
        return parts
    except OSError as error:
        raise refusal(layout.images, error) from error
    for name in names:
        if name.startswith("."):
            parts.setdefault(name.split(".")[1], []).append(os.path.join(layout.images, name))
    return parts
