# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build says of itself: how long each step took, what it printed, what there was to warn of."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..recipe.operations import StepOperations
from .report_disk import RawReport

_FIRST_SCRIPT = re.compile(r"^\[\s*(?P<at>[0-9]+\.[0-9]+)\] Running: ", re.MULTILINE)
_PHASES = {"begin": "uploads", "prepare": "begin", "end": "end"}
"""What users are told that was done from each mark on that belongs to no step."""


def step_seconds(report: RawReport, steps: Mapping[str, StepOperations], stdout: str) -> dict[str, float]:
    """Seconds by the steps' labels and phases, ``launch`` first. ``stdout``: virt-customize's progress."""
    first = _FIRST_SCRIPT.search(stdout)
    seconds = {"launch": float(first["at"]) if first else 0.0}
    times = report.times()
    for (entered, since), (dummy, until) in zip(times, times[1:]):
        name = steps[entered].label if entered in steps else _PHASES.get(entered, entered)
        seconds[name] = seconds.get(name, 0.0) + until - since
    return {name: round(value, 1) for name, value in seconds.items()}


def warnings(report: RawReport, steps: Mapping[str, StepOperations]) -> list[str]:
    """Each as a sentence, in order."""
    return [
        f"step {steps[number].label} {text}" if number in steps else text for number, text in report.warnings() if text
    ]


def build_log(report: RawReport, steps: Mapping[str, StepOperations], seconds: Mapping[str, float]) -> str:
    """Every step that was begun, with its label and its time, and what its programs printed; then the warnings."""
    parts: list[str] = []
    told = None
    for number in (name for name, dummy in report.times() if name in steps):
        step = steps[number]
        if not parts:
            parts.append(f"==> launch, {seconds.get('launch', 0.0)} s\n")
        if step is not told:
            took = f", {seconds[step.label]} s" if step.label in seconds else ""
            parts.append(f"==> step {step.label}{took}\n")
            told = step
        text = report.log(number)
        parts.append(text if not text or text.endswith("\n") else text + "\n")
    parts += [f"==> warning: {warning}\n" for warning in warnings(report, steps)]
    return "".join(parts)
