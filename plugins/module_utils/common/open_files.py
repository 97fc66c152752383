# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes have a file open."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterable


def opened_by(paths: Iterable[str], root: str = "/proc") -> dict[str, list[str]]:
    """By path, the processes that have the file open, as ``PID (NAME)``, sorted.

    Only those are found that this user may look into, which are all for root.
    """
    wanted: dict[tuple[int, int], str] = {}
    for path in paths:
        with contextlib.suppress(OSError):
            wanted[_identity(path)] = path
    names = {os.path.basename(path) for path in wanted.values()}
    found: dict[str, set[str]] = {}
    for descriptor in glob.glob(os.path.join(root, "[0-9]*", "fd", "*")):
        with contextlib.suppress(OSError):
            # Only the few of these names are looked at: stat(2) may wait for a server of files.
            if os.path.basename(os.readlink(descriptor)) in names:
                identity = _identity(descriptor)
                if identity in wanted:
                    found.setdefault(wanted[identity], set()).add(_process(descriptor))
    return {path: sorted(processes) for path, processes in found.items()}


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return (status.st_dev, status.st_ino)


def _process(descriptor: str) -> str:
    process = os.path.dirname(os.path.dirname(descriptor))
    with open(os.path.join(process, "comm"), encoding="utf-8", errors="replace") as comm:
        return f"{os.path.basename(process)} ({comm.read().strip()})"
