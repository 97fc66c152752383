# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying steps out, against calls of virt-customize written by hand."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from ansible_collections.goldsmith.kvm.plugins.module_utils.disk import qemu_img
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import accel
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.model import Build
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.registry import ENGINES
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from tests.unit.local_host import LocalHost

from .measure import Comparison, alternate, run

_CALLS = 6
"""Of 30 separate calls, so many are timed: without KVM all of them would take ten minutes."""


def benchmarks(base: Path, directory: Path, rounds: int) -> list[Comparison]:
    directory.mkdir(mode=0o700)
    host = LocalHost(str(directory))
    accelerator = accel.decide(host, "auto")

    def engine(steps: int) -> float:
        return _engine(host, base, directory / "ours", accelerator, steps)

    def calls(steps: int, count: int) -> float:
        return _calls(host, base, directory / "peer", accelerator, steps, count)

    ten, one_call = alternate(rounds, lambda: engine(10), lambda: calls(10, 1))
    thirty, few = alternate(1, lambda: engine(30), lambda: calls(1, _CALLS))
    all_calls = [seconds / _CALLS * 30 for seconds in few]
    peer = f"30 virt-customize calls (5 times the time of {_CALLS})"
    return [
        Comparison("10 steps without packages", ten, one_call, "one virt-customize call", bound=1.05),
        Comparison("30 steps in one run", thirty, all_calls, peer, bound=1.0),
    ]


def _engine(host: LocalHost, base: Path, directory: Path, accelerator: str, count: int) -> float:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    disk = directory / "disk.qcow2"
    qemu_img.create_overlay(host, str(base), "qcow2", str(disk))
    steps = tuple(step.operations({}) for step in parse_steps([_step(number) for number in range(count)]))
    began = time.monotonic()
    build = Build(str(disk), str(directory), steps, accel=accelerator, network=False)
    ENGINES["virt_customize"].apply(host, build)
    return time.monotonic() - began


def _step(number: int) -> dict[str, object]:
    if number % 2:
        return {"run_command": {"command": f"mkdir /opt/{number}", "network": False}}
    return {"write": {"dest": f"/etc/bench-{number}", "content": "hello\n"}}


def _calls(host: LocalHost, base: Path, directory: Path, accelerator: str, steps: int, count: int) -> float:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    disk = directory / "disk.qcow2"
    qemu_img.create_overlay(host, str(base), "qcow2", str(disk))
    environ = {"LIBGUESTFS_BACKEND": "direct"}
    if accelerator == "tcg":
        environ["LIBGUESTFS_BACKEND_SETTINGS"] = "force_tcg"
    seconds = 0.0
    for call in range(count):
        argv = ["virt-customize", "--no-network", "-a", str(disk)]
        for number in range(call * steps, (call + 1) * steps):
            argv += ["--mkdir", f"/opt/{number}"] if number % 2 else ["--write", f"/etc/bench-{number}:hello\n"]
        seconds += run(argv, environ=environ).seconds
    return seconds
