# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit tests: tests/unit, which mirrors plugins/. No appliance, no guest, under one minute."""

from __future__ import annotations

from pathlib import Path

from .paths import LOGS, VENV
from .process import Log
from .summary import Tally, junit


def run(log: Log, extra: list[str]) -> Tally:
    return run_pytest(log, "unit", extra, timeout=300)


def run_pytest(log: Log, suite: str, extra: list[str], *, timeout: float, root: bool = False) -> Tally:
    """Run ``tests/<suite>`` with the additional arguments ``extra`` for pytest."""
    report = LOGS / f"{suite}.xml"
    report.unlink(missing_ok=True)
    argv: list[str | Path] = [VENV / "bin" / "python", "-m", "pytest", f"tests/{suite}", f"--junitxml={report}", *extra]
    return junit(report, log.run(argv, root=root, timeout=timeout, telling=r"^(E  |FAILED|ERROR)"))
