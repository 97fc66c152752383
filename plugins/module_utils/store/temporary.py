# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary files beside what they become, of which a killed process leaves none for ever.

Each is locked by its writer: one without a lock has lost its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import tempfile
import typing as t
from collections.abc import Iterator

_RANDOM = "[a-z0-9_]" * 8
"""What tempfile puts between prefix and suffix, as a pattern."""


@contextlib.contextmanager
def temporary_beside(path: str) -> Iterator[tuple[t.IO[bytes], str]]:
    """A new file for its owner alone, on the file system of ``path``, and its path; removed unless it was renamed.

    Raises OSError.
    """
    descriptor, temporary = _locked_beside(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file, temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def remove_abandoned(path: str) -> None:
    """Remove the temporary files of killed processes that were to become ``path``."""
    directory, name = os.path.split(path)
    for abandoned in glob.glob(os.path.join(glob.escape(directory), f".{glob.escape(name)}.{_RANDOM}.tmp")):
        # Gone or renamed by now, locked, or another user's.
        with contextlib.suppress(OSError):
            descriptor = os.open(abandoned, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(abandoned)
            finally:
                os.close(descriptor)


def _locked_beside(path: str) -> tuple[int, str]:
    directory, name = os.path.split(path)
    while True:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=directory)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.exists(temporary):
            return descriptor, temporary
        # Another run has taken it for abandoned before it was locked.
        os.close(descriptor)
