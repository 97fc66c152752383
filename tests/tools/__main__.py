# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``./run``: the commands that people type."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable

from . import integration, leaks, lint, molecule, package, sanity, setup, unit
from .paths import COLLECTIONS, LOGS, ROOT, VENV
from .process import MARKER, Log, as_root, environment, stop
from .summary import Result, Tally, render

Stage = Callable[[Log, list[str]], Tally]
STAGES: dict[str, tuple[Stage, tuple[str, ...]]] = {
    "lint": (lint.run, ("lint",)),
    "sanity": (sanity.run, ("lint",)),
    "package": (package.run, ("lint",)),
    "unit": (unit.run, ("unit",)),
    "integration": (integration.run, ("unit", "image")),
    "molecule": (molecule.run, ("unit", "image")),
}
"""Each stage with the groups of system packages that it needs, the quick ones first."""


def main(arguments: list[str]) -> int:
    command, *rest = arguments
    if command == "test":
        return test(*_split(rest))
    if command == "clean":
        setup.clean()
        return 0
    groups = {"demo": ("demo",), "bench": ("demo", "bench")}[command]
    module = {"demo": "tests.tools.demo", "bench": "tests.benchmarks"}[command]
    setup.require_root()
    setup.require_space(6)
    setup.install_packages(groups)
    setup.make_virtualenv(VENV, "runtime")
    setup.link_bindings(VENV)
    setup.link_collection()
    env = {**environment(), "PYTHONPATH": str(COLLECTIONS)}
    argv = as_root([str(VENV / "bin" / "python"), "-m", module, *rest], env)
    os.chdir(ROOT)
    # In place of this process, which would give it no time to clean up after a ^C.
    os.execvpe(argv[0], argv, env)


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Stages, and what stands behind ``--`` for pytest."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    stages = arguments[:at] or list(STAGES)
    for stage in stages:
        if stage not in STAGES:
            stop(f"there is no stage {stage}: choose from {' '.join(STAGES)}")
    return [stage for stage in STAGES if stage in stages], arguments[at + 1 :]


def test(stages: list[str], extra: list[str]) -> int:
    """Run the stages, each even when an earlier one failed; 0 when all passed."""
    groups = {group for stage in stages for group in STAGES[stage][1]}
    if "image" in groups:
        setup.require_root()
        setup.require_space(10)
    setup.install_packages(sorted(groups))
    if "image" in groups:
        setup.require_devices()
    setup.make_virtualenv(VENV, "runtime", "test")
    setup.link_bindings(VENV)
    setup.link_collection()

    os.environ[MARKER] = uuid.uuid4().hex
    # Not below the checkout: paths of sockets are short. Not in /tmp: that may be in memory.
    tmpdir = tempfile.mkdtemp(prefix="goldsmith-", dir="/var/tmp")
    results: list[Result] = []
    before = leaks.snapshot()
    try:
        results.extend(_run_stage(stage, tmpdir, extra) for stage in stages)
    finally:
        left = leaks.left_behind(before, os.environ[MARKER], tmpdir)
        if not left:
            subprocess.run(as_root(["rm", "-rf", "--one-file-system", tmpdir]), check=False)
    tally = Tally()
    tally.count("nothing left behind", not left)
    if left:
        print("left behind:", *left, sep="\n  ")
    results.append(Result("left behind", tally, 0))
    print("\n" + render(results), flush=True)
    return 1 if any(result.tally.failed for result in results) else 0


def _run_stage(stage: str, tmpdir: str, extra: list[str]) -> Result:
    print(f"{stage} … ", end="", flush=True)
    began = time.monotonic()
    log = Log(LOGS / f"{stage}.log", tmpdir)
    try:
        tally = STAGES[stage][0](log, extra)
    except Exception as error:
        # The other stages still have something to say.
        tally = Tally()
        tally.fail(f"{type(error).__name__}: {error}")
    seconds = time.monotonic() - began
    if tally.failed:
        print(f"failed after {seconds:.0f} s: {', '.join(tally.failures[:5])}")
        print(f"{log.complaints()}\n  all of it: {log.path}", flush=True)
    else:
        print(f"passed in {seconds:.0f} s ({tally.passed})", flush=True)
    return Result(stage, tally, seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
