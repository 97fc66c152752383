# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a guest to report, or for the sign that it never will."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .console import Stuck, clean, dead_end, hung, loader_began
from .evidence import complete
from .place import Place

_PAUSE = 0.25
_LAST_WORDS = 2.0
"""Seconds that a guest which came to a dead end has to say why: a panic's trace comes line by line."""


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
    """Watch a guest that was started at ``began`` (``time.monotonic()``) for at most ``timeout`` seconds since then."""
    firmware_seconds: float | None = None
    text, length, stuck = "", 0, dead_end("")
    while True:
        alive = place.is_alive()  # asked first: what it wrote before its end is read below
        now = time.monotonic()
        raw = place.read(place.console)
        if len(raw) != length:
            text, length = clean(raw), len(raw)
            stuck = dead_end(text)
        report = complete(place.read(place.report).decode("utf-8", "replace"))
        if firmware_seconds is None and loader_began(text):
            firmware_seconds = now - began
        if report is not None:
            return Watched(text, report=report, firmware_seconds=firmware_seconds, seconds=now - began)
        if stuck is not None:
            time.sleep(_LAST_WORDS)
            text = clean(place.read(place.console))
            return Watched(text, stuck=dead_end(text), seconds=now - began)
        if not alive:
            return Watched(text, ended=True, seconds=now - began)
        if now - began > timeout:
            return Watched(text, stuck=hung(text), seconds=now - began)
        time.sleep(_PAUSE)
