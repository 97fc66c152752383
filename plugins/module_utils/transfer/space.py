# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a file finds room on its file system."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from ..common.errors import StoreError
from ..common.size import format_size
from ..common.space import free_bytes

MARGIN = 1024 * 1024
"""Bytes for the file system's own bookkeeping and for the small files beside."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


def require_space(path: str, needed: int) -> None:
    """Raise StoreError unless ``needed`` more bytes find room beside ``path``."""
    directory = os.path.dirname(os.path.abspath(path))
    free = free_bytes(directory)
    if needed and free < needed + MARGIN:
        raise full_disk_error(path, needed + MARGIN, free, "is too small for what is to come")


@contextlib.contextmanager
def disk_errors_named(path: str, needed: int | None = None) -> Iterator[None]:
    """Turn what the file system of ``path`` refuses into StoreError: a full disk, an exhausted quota, and the rest.

    ``needed`` are the bytes that were still to be written, if known.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise StoreError(
                f"{path} cannot be written or read: {error.strerror or error}",
                "Check the directory's owner and mode and the state of its file system",
                path=path,
            ) from error
        happened = "became full while writing" if error.errno == errno.ENOSPC else "has a quota, which is used up"
        raise full_disk_error(path, needed, free_bytes(os.path.dirname(os.path.abspath(path))), happened) from error


def full_disk_error(path: str, needed: int | None, free: int, happened: str) -> StoreError:
    """What to tell when there is no room for ``path``, with the bytes needed and free."""
    point = _mount_point(path)
    wanted = f"{format_size(needed)} are" if needed is not None else "an unknown amount is"
    return StoreError(
        f"the file system at {point} {happened}: {wanted} needed for {path}, {format_size(free)} are free",
        f"Free some space on {point}, or choose a directory on another file system, and run again",
        path=path,
        needed=needed,
        free=free,
    )


def _mount_point(path: str) -> str:
    """The directory where the file system of ``path`` is mounted."""
    point = os.path.dirname(os.path.realpath(path))
    while not os.path.ismount(point):
        point = os.path.dirname(point)
    return point
