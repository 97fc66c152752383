# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending a transfer that crawls: a server that sends a byte now and then never runs into a time-out."""

from __future__ import annotations

from .errors import UnreachableError


class LowSpeed:
    """Ends a connection that crawls: fewer than ``limit`` bytes per second over ``period`` seconds spent reading."""

    def __init__(self, limit: int, period: float) -> None:
        self._limit = limit
        self._period = period
        self._amount = 0
        self._seconds = 0.0

    def passed(self, amount: int, seconds: float, url: str) -> None:
        self._amount += amount
        self._seconds += seconds
        if self._seconds < self._period:
            return
        if self._amount < self._limit * self._seconds:
            raise UnreachableError(
                f"{url} sent {self._amount} bytes in {self._seconds:.0f} seconds, fewer than {self._limit} a second"
            )
        self._amount = 0
        self._seconds = 0.0
