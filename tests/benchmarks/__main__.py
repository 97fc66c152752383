# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``./run bench [--output FILE] [--rounds N] [--size MIB]``: prints a table and writes the figures as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
from pathlib import Path

from tests.tools.paths import RUN

from . import boots, convert, customize, fetch, image_info
from .measure import Comparison, render


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench", description="Measure against the usual tools.")
    parser.add_argument("--output", type=Path, default=RUN / "bench.json", help="where to write the JSON (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run; medians count (%(default)s)")
    parser.add_argument("--size", type=int, default=500, help="MiB of the image that is fetched (%(default)s)")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="goldsmith-bench-", dir="/var/tmp"))
    directory.chmod(0o755)  # nginx gives root's rights up
    try:
        rows = [
            *fetch.benchmarks(directory / "fetch", options.size, options.rounds),
            *customize.benchmarks(directory / "customize", options.rounds),
            *convert.benchmarks(directory / "convert", options.rounds),
            *image_info.benchmarks(directory / "image_info", options.rounds),
            *boots.benchmarks(directory / "boots", options.rounds),
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
