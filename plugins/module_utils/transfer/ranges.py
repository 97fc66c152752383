# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Byte ranges as HTTP writes them (RFC 9110, section 14), and how a file is cut into chunks.

An extent is ``begin`` (its first byte) and ``end`` (the byte after its last one), as in Python's slices.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONTENT_RANGE = re.compile(r"\s*bytes\s+(?P<first>[0-9]+)-(?P<last>[0-9]+)/(?P<total>[0-9]+|\*)\s*", re.ASCII)


@dataclass(frozen=True)
class ContentRange:
    """Which bytes of the file an answer holds."""

    begin: int
    end: int
    total: int | None
    """Bytes of the whole file; None if the server does not know."""


def parse_content_range(header: str) -> ContentRange | None:
    """``bytes 0-499/1234``; None for what is not valid, or describes no bytes."""
    match = _CONTENT_RANGE.fullmatch(header)
    if match is None:
        return None
    begin, end = int(match["first"]), int(match["last"]) + 1
    total = None if match["total"] == "*" else int(match["total"])
    if end <= begin or (total is not None and end > total):
        return None
    return ContentRange(begin, end, total)


def range_header(begin: int, end: int | None) -> str:
    """The value of ``Range`` for an extent; without ``end`` up to the end of the file."""
    return f"bytes={begin}-" if end is None else f"bytes={begin}-{end - 1}"


def chunk_end(begin: int, chunk_size: int, total: int) -> int:
    """Where the chunk that begins at ``begin`` ends."""
    return min(begin + chunk_size, total)
