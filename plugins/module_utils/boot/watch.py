# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a guest to report, or for the sign that it never will."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from ..common.errors import StoreError
from ..common.size import format_size
from ..common.space import free_bytes
from .console import Stuck, clean, dead_end, hung, loader_began
from .evidence import complete
from .place import Place

_PAUSE = 0.25
_LEAST_FREE = 16 * 1024**2
"""Bytes. QEMU pauses a guest for whose disk there is no room, and says so to nobody."""
_MOST_SAID = 16 * 1024**2
"""Bytes that a guest may say: more is an endless repetition, and would fill the host's disk."""


@dataclass(frozen=True)
class Watched:
    """What became of a boot: a report, a dead end, neither when the time was over, or QEMU's own end."""

    console: str
    report: str | None = None
    stuck: Stuck | None = None
    ended: bool = False
    """QEMU is gone."""
    firmware_seconds: float | None = None
    """Until the firmware handed over, or the kernel's first line was there."""
    seconds: float = 0.0
    """In all, until then."""


def watch(place: Place, began: float, timeout: float) -> Watched:
    """Watch a guest that was started at ``began`` (``time.monotonic()``) for at most ``timeout`` seconds since then.

    Raises StoreError when the file system of ``place`` is full.
    """
    firmware_seconds: float | None = None
    text, report, lengths = "", complete(""), (0, 0)
    reporting, stuck = False, dead_end("")
    free_until = began
    """When it was last not stuck."""
    while True:
        alive = place.is_alive()  # asked first: what it wrote before its end is read below
        now = time.monotonic()
        grown = (_length(place.console), _length(place.report))
        if grown != lengths:
            lengths = grown
            text = clean(place.read(place.console, _MOST_SAID))
            report = complete(place.read(place.report, _MOST_SAID).decode("utf-8", "replace"))
            reporting = lengths[1] > 0
            stuck = _flood(text) if max(lengths) > _MOST_SAID else dead_end(text, reporting=reporting)
        if firmware_seconds is None and loader_began(text):
            firmware_seconds = now - began
        if report is not None:
            return Watched(text, report=report, firmware_seconds=firmware_seconds, seconds=now - began)
        if stuck is None:
            free_until = now
        elif now - free_until >= stuck.grace:
            return Watched(text, stuck=stuck, seconds=now - began)
        if not alive:
            return Watched(text, stuck=stuck, ended=True, seconds=now - began)
        if now - began > timeout:
            return Watched(text, stuck=stuck or hung(text, reporting=reporting), seconds=now - began)
        _require_room(place)
        time.sleep(_PAUSE)


def _length(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _flood(text: str) -> Stuck:
    return Stuck(
        hung(text).stage,
        f"the guest said more than {format_size(_MOST_SAID)}, and does not stop",
        tuple(text.splitlines()[-5:]),
        "Look in the image for what repeats these lines",
    )


def _require_room(place: Place) -> None:
    if free_bytes(place.directory) < _LEAST_FREE:
        raise StoreError(
            f"the file system of {place.directory} is full, so that the guest cannot write to its disk",
            "Free some space there, or choose another directory, on a file system with room for what the guest writes",
        )
