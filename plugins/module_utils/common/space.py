# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on file systems."""

from __future__ import annotations

import os

from .errors import StoreError
from .size import format_size


def free_bytes(directory: str) -> int:
    """Bytes that this user may still write to the file system of ``directory``.

    Raises StoreError where there is no such directory.
    """
    try:
        found = os.statvfs(directory)
    except OSError as error:
        raise StoreError(
            f"{directory} cannot be written to: {error.strerror}", "Make it, or choose another directory"
        ) from error
    return found.f_frsize * (found.f_bfree if os.geteuid() == 0 else found.f_bavail)


def require_free_space(directory: str, needed: int, purpose: str) -> None:
    """Raise StoreError when fewer than ``needed`` bytes are free on the file system of ``directory``."""
    free = free_bytes(directory)
    if free < needed:
        raise StoreError(
            f"{purpose} needs {format_size(needed)} in {directory}, and {format_size(free)} are free there",
            "Free some space, or choose a directory on another file system",
        )
