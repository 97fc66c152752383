# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Integration tests: tests/integration, the real tools on a real image and a real mirror."""

from __future__ import annotations

from .process import Log
from .summary import Tally
from .unit import run_pytest


def run(log: Log, extra: list[str]) -> Tally:
    return run_pytest(log, "integration", extra, timeout=3000, root=True)
