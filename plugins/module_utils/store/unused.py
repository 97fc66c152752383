# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of builds that nobody has used for long: payloads, which may hold secrets, and logs of builds that failed."""

from __future__ import annotations

import contextlib
import glob
import os
from dataclasses import dataclass
from datetime import datetime

from .files import remove_file
from .layers import build_directories, is_in_use
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
    began = [
        os.stat(os.path.join(directory, "lock")).st_mtime
        for directory in build_directories(layout)
        if is_in_use(directory)
    ]
    since = min([moment.timestamp(), *began])
    found = []
    for pattern in (os.path.join(layout.payloads, "*"), os.path.join(layout.logs, "*.log")):
        for path in glob.glob(os.path.join(glob.escape(os.path.dirname(pattern)), os.path.basename(pattern))):
            with contextlib.suppress(FileNotFoundError):
                stat = os.stat(path)
                if stat.st_mtime < since:
                    found.append(UnusedFile(path, stat.st_size))
    return sorted(found, key=lambda file: file.path)


def remove_unused_files(layout: Layout, moment: datetime) -> list[UnusedFile]:
    """Delete those of :func:`unused_files`, and return them. The caller sees to it that no build begins meanwhile."""
    with layout.lock("payloads"):
        unused = unused_files(layout, moment)
        for file in unused:
            remove_file(file.path)
    return unused
