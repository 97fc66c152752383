# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``./run bench [--only NAME] [--output FILE] [--rounds N] [--size MIB]``: a table, and the figures as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.tools.paths import RUN

from . import boots, convert, customize, domains, fetch, image_info
from .measure import Comparison, render

_BENCHMARKS: dict[str, Callable[[Path, argparse.Namespace], list[Comparison]]] = {
    "fetch": lambda directory, options: fetch.benchmarks(directory, options.size, options.rounds),
    "customize": lambda directory, options: customize.benchmarks(directory, options.rounds),
    "convert": lambda directory, options: convert.benchmarks(directory, options.rounds),
    "image_info": lambda directory, options: image_info.benchmarks(directory, options.rounds),
    "boots": lambda directory, options: boots.benchmarks(directory, options.rounds),
    "domains": lambda directory, options: domains.benchmarks(directory, options.rounds),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench", description="Measure against the usual tools.")
    parser.add_argument("--only", choices=list(_BENCHMARKS), action="append", help="this one alone; can be repeated")
    parser.add_argument("--output", type=Path, default=RUN / "bench.json", help="where to write the JSON (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run; medians count (%(default)s)")
    parser.add_argument("--size", type=int, default=500, help="MiB of the image that is fetched (%(default)s)")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="goldsmith-bench-", dir="/var/tmp"))
    directory.chmod(0o755)  # nginx gives root's rights up
    try:
        rows = [
            row
            for name, benchmarks in _BENCHMARKS.items()
            if name in (options.only or _BENCHMARKS)
            for row in benchmarks(directory / name, options)
        ]
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(render(rows))
    _write(options.output, rows)
    print(f"\nwritten to {options.output}")


def _write(output: Path, rows: list[Comparison]) -> None:
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "kernel": platform.release()}
    document = {"machine": machine, "comparisons": [row.as_json() for row in rows]}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
