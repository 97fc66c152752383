# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Integration tests: tests/integration, the real tools on a real image and a real mirror."""

from __future__ import annotations

import os

from .process import Log
from .summary import Tally
from .unit import run_pytest

_WORKERS = 2
"""An emulated guest keeps a bit more than one CPU busy. What a file's tests share, its fixtures, is made once."""


def run(log: Log, extra: list[str]) -> Tally:
    workers = min(_WORKERS, len(os.sched_getaffinity(0)))
    spread = ["-n", str(workers), "--dist", "loadfile"] if workers > 1 else []
    return run_pytest(log, "integration", [*spread, *extra], timeout=4200, root=True)
