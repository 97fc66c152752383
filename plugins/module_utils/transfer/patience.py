# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often and after which pause a request is made again."""

from __future__ import annotations

import random
import socket
import ssl

from ..common.errors import HttpStatusError, TransferError, UnreachableError

_LONGEST_PAUSE = 60.0


def is_transient(error: TransferError) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, HttpStatusError):
        return error.transient
    if not isinstance(error, UnreachableError):
        return False
    reason = getattr(error.__cause__, "reason", error.__cause__)
    if isinstance(reason, socket.gaierror):
        return reason.errno == socket.EAI_AGAIN
    return not isinstance(reason, ssl.SSLCertVerificationError)


class Patience:
    """Exponential backoff with jitter over failures in a row."""

    def __init__(self, retries: int, first_pause: float) -> None:
        self._retries = retries
        self._first_pause = first_pause
        self._failures = 0

    def reward(self) -> None:
        """There was progress: failures are counted anew."""
        self._failures = 0

    def pause_after(self, error: TransferError) -> float | None:
        """Seconds until the next attempt; None if there should be none.

        A server's Retry-After counts up to a minute.
        """
        if not is_transient(error):
            return None
        self._failures += 1
        if self._failures > self._retries:
            return None
        pause = self._first_pause * 2.0 ** (self._failures - 1) * random.uniform(0.75, 1.25)
        asked = error.retry_after if isinstance(error, HttpStatusError) else None
        return min(_LONGEST_PAUSE, max(pause, asked or 0.0))
