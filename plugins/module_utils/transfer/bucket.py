# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rate limit that several connections share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_BURST = 0.1


class TokenBucket:
    """Lets ``rate`` bytes pass in each second, and a tenth of a second's worth at once after a pause."""

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = clock()

    def reserve(self, amount: int) -> float:
        """Book ``amount`` bytes; returns the seconds to wait before going on."""
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now - _BURST) + amount / self.rate
            return max(0.0, self._free_at - now)
