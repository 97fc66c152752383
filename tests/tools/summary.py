# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stages found, and the summary at the end."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Tally:
    """How many tests or checks passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    """Names of those that failed, for the one line about the stage."""

    def count(self, name: str, ok: bool) -> None:
        if ok:
            self.passed += 1
        else:
            self.fail(name)

    def fail(self, name: str) -> None:
        self.failed += 1
        self.failures.append(name)


@dataclass(frozen=True)
class Result:
    stage: str
    tally: Tally
    seconds: float


def junit(path: Path, status: int) -> Tally:
    """What pytest wrote to ``path`` (JUnit XML), having exited with ``status``."""
    tally = Tally()
    if path.exists():
        for case in ET.parse(path).iter("testcase"):
            name = f"{case.get('classname')}.{case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                tally.fail(name)
            elif case.find("skipped") is not None:
                tally.skipped += 1
            else:
                tally.passed += 1
    if status and not tally.failed:
        tally.fail(f"pytest ended with exit status {status}")
    return tally


def render(results: list[Result]) -> str:
    """A table of the stages, and a last line ``N passed, N failed[, N skipped]``."""
    rows = [("stage", "result", "passed", "failed", "skipped", "seconds")]
    for result in results:
        tally = result.tally
        rows.append(
            (
                result.stage,
                "failed" if tally.failed else "passed",
                str(tally.passed),
                str(tally.failed),
                str(tally.skipped),
                f"{result.seconds:.0f}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        )
        for row in rows
    ]
    passed, failed, skipped = (sum(getattr(r.tally, kind) for r in results) for kind in ("passed", "failed", "skipped"))
    last = f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")
    return "\n".join([*lines, "", last])
