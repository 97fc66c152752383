# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in time as records keep them, and spans of time as people write them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from .errors import BadRequestError

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_PART = re.compile(r"([0-9]+)\s*([wdhms])", re.IGNORECASE)
_AGE = re.compile(rf"(?:{_PART.pattern}\s*)+", re.IGNORECASE)
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def parse_age(text: str) -> timedelta:
    """The span that ``30d``, ``12h`` or ``1w 3d`` stand for; raises BadRequestError for anything else."""
    if _AGE.fullmatch(text.strip()):
        try:
            return sum(
                (timedelta(**{_UNITS[unit.lower()]: int(number)}) for number, unit in _PART.findall(text)), timedelta()
            )
        except OverflowError:
            pass
    raise BadRequestError(
        f"{text!r} is not an age", "Write a whole number with w, d, h, m (minutes) or s, such as 30d or 12h"
    )


def now() -> datetime:
    """The time in UTC, in whole seconds."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def format_time(moment: datetime) -> str:
    """``2024-08-22T03:28:23Z``; of two, the later one is the greater string."""
    return moment.astimezone(timezone.utc).strftime(_FORMAT)


def parse_time(text: str) -> datetime:
    """The moment that :func:`format_time` wrote."""
    return datetime.strptime(text, _FORMAT).replace(tzinfo=timezone.utc)
