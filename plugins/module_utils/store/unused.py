# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of builds that nobody has used for long: payloads, which may hold secrets, and logs of builds that failed."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from .files import remove_file
from .layers import began, build_directories
from .layout import Layout


@dataclass(frozen=True)
class UnusedFile:
    """A file that may go."""

    path: str
    size: int
    """Bytes."""


def unused_files(layout: Layout, moment: datetime) -> list[UnusedFile]:
    """The files that no build has used or written since then, nor may still use, by path."""
    # A build touches its payloads when it begins.
    beginnings = [began(directory) for directory in build_directories(layout)]
    since = min([moment.timestamp(), *(each for each in beginnings if each is not None)])
    found = []
    for pattern in (os.path.join(layout.payloads, "*"), os.path.join(layout.logs, "*.log")):
        for path in glob.glob(os.path.join(glob.escape(os.path.dirname(pattern)), os.path.basename(pattern))):
            with contextlib.suppress(FileNotFoundError):
                stat = os.stat(path)
                if stat.st_mtime < since:
                    found.append(UnusedFile(path, stat.st_size))
    return sorted(found, key=lambda file: file.path)


def logs_and_payloads(layout: Layout, files: Iterable[UnusedFile]) -> tuple[list[str], list[UnusedFile]]:
    """The paths of the logs among them, and the payloads.

    No one is told the names of those: they are digests, and one of a short secret would give that away.
    """
    payloads = [file for file in files if os.path.dirname(file.path) == layout.payloads]
    return [file.path for file in files if file not in payloads], payloads


def remove_unused_files(layout: Layout, moment: datetime) -> list[UnusedFile]:
    """Delete those of :func:`unused_files`, and return them. The caller sees to it that no build begins meanwhile."""
    with layout.lock("payloads"):
        unused = unused_files(layout, moment)
        for file in unused:
            remove_file(file.path)
    return unused
