# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking times, and setting ours beside a peer's."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

T = t.TypeVar("T")


@dataclass(frozen=True)
class Comparison:
    """One row: the medians of our figures and a peer's of the same run, and what is wanted of them."""

    name: str
    ours: Sequence[float]
    peer: Sequence[float] = ()
    """Empty: there is no peer, only a bound on our own figure."""
    peer_name: str = ""
    unit: str = "s"
    bound: float | None = None
    """Wanted: the ratio, or without a peer our own figure, is at most this. None: shown for information."""

    @property
    def ratio(self) -> float | None:
        return statistics.median(self.ours) / statistics.median(self.peer) if self.peer else None

    @property
    def met(self) -> bool | None:
        if self.bound is None:
            return None
        figure = self.ratio if self.ratio is not None else statistics.median(self.ours)
        return figure <= self.bound

    def as_json(self) -> dict[str, t.Any]:
        return {**asdict(self), "ratio": self.ratio, "met": self.met}


@dataclass(frozen=True)
class Ran:
    """A program that ran and succeeded."""

    seconds: float
    peak_mib: float
    """Largest resident set of the program or one of its children."""
    stdout: str


def run(argv: Sequence[str], stdin: str = "", environ: Mapping[str, str] | None = None) -> Ran:
    """Run a program that has to succeed."""
    began = time.monotonic()
    timed = [sys.executable, "-c", _PEAK, *argv]
    done = subprocess.run(
        timed, input=stdin, env={**os.environ, **(environ or {})}, capture_output=True, text=True, check=False
    )
    took = time.monotonic() - began
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return Ran(took, int(done.stderr.splitlines()[-1]) / 1024, done.stdout)


# Prints the peak of all children as the last line of stderr. It is per process: each program needs a parent of its own.
_PEAK = """
import resource, subprocess, sys
rc = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(rc)
"""


def alternate(rounds: int, *works: Callable[[], T]) -> list[list[T]]:
    """Run the works in turn, ``rounds`` times, so that whatever slows the machine slows all; a list for each."""
    figures: list[list[T]] = [[] for dummy in works]
    for dummy in range(rounds):
        for series, work in zip(figures, works):
            series.append(work())
    return figures


def render(rows: Sequence[Comparison]) -> str:
    """A table for people."""
    lines = [f"{'what':<64} {'ours':>10} {'peer':>10} {'ratio':>6}  wanted"]
    for row in rows:
        name = f"{row.name} / {row.peer_name}" if row.peer else row.name
        ours = f"{statistics.median(row.ours):.2f} {row.unit}"
        peer = f"{statistics.median(row.peer):.2f} {row.unit}" if row.peer else ""
        ratio = f"{row.ratio:.2f}" if row.ratio is not None else ""
        wanted = "" if row.bound is None else f"at most {row.bound:.2f}: {'reached' if row.met else 'NOT REACHED'}"
        lines.append(f"{name:<64} {ours:>10} {peer:>10} {ratio:>6}  {wanted}".rstrip())
    return "\n".join(lines)
