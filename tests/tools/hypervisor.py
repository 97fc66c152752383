# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirtd of one's own that stays until it is told to end, with all guests that were given to it.

``python -m tests.tools.hypervisor up | down``: for Molecule and for trying things by hand.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.fixtures.hypervisor import Hypervisor, alone

from .paths import ROOT, RUN
from .process import end_recorded

DIRECTORY = RUN / "hypervisor"
VARIABLES = DIRECTORY / "variables.json"
_PID, _LOG = DIRECTORY / "pid", DIRECTORY / "log"
_PATIENCE = 90
"""Seconds. Another one may have to end first."""


def up() -> None:
    """Start it, and write down what a play has to know of it: ``hypervisor_uri``, and a directory for disks."""
    down()
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with _LOG.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.tools.hypervisor", "hold"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _PID.write_text(f"{process.pid}\n")
    deadline = time.monotonic() + _PATIENCE
    while not VARIABLES.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            down()
            raise SystemExit(f"libvirtd does not start: {_LOG.read_text()}")
        time.sleep(0.1)


def hold() -> None:
    """Be it, until SIGTERM."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *dummy: ended.set())
    # Not below the checkout: paths of sockets are short.
    scratch = Path(tempfile.mkdtemp(prefix="kvm-", dir="/var/tmp"))
    try:
        with alone(), Hypervisor.running(scratch / "libvirt") as hypervisor:
            found = {"hypervisor_uri": hypervisor.uri, "hypervisor_scratch": str(scratch)}
            unfinished = VARIABLES.with_suffix(".new")
            unfinished.write_text(json.dumps(found, indent=2) + "\n")
            unfinished.rename(VARIABLES)
            ended.wait()
    finally:
        VARIABLES.unlink(missing_ok=True)
        shutil.rmtree(scratch)


def down() -> None:
    """End it and its guests, if it runs."""
    end_recorded(_PID, "tests.tools.hypervisor")


def main() -> None:
    if sys.argv[1:] == ["up"]:
        up()
        print(VARIABLES)
    elif sys.argv[1:] == ["down"]:
        down()
    elif sys.argv[1:] == ["hold"]:
        hold()
    else:
        raise SystemExit("usage: python -m tests.tools.hypervisor up | down")


if __name__ == "__main__":
    main()
