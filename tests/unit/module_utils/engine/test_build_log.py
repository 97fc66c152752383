# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import build_log
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.report_disk import RawReport
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Run, StepOperations

PACKAGES = StepOperations(1, "packages", "1 (packages)", (Run("apt-get update"), Run("apt-get install -y x")))
WRITE = StepOperations(2, "write", "2 (write)", (Run("true"),))
STEPS = {"0001": PACKAGES, "0002": PACKAGES, "0003": WRITE}
STDOUT = """\
[   0.0] Examining the guest ...
[  27.0] Setting a random seed
virt-customize: warning: random seed could not be set for this type of guest
[  27.4] Running: begin
[  29.8] Uploading: uploads/0002 to /.goldsmith/uploads/0002
[  29.9] Running: main
"""
REPORT = RawReport(
    "end",
    True,
    {
        "times": "begin 20.50\nprepare 23.00\n0001 23.50\n0002 26.00\n0003 36.10\nend 36.20\ndone 36.80\n",
        "warnings": "grow the root partition was not grown\n0002 left processes running: gpg-agent (77)\n",
        "log.0001": "Get:1",
        "log.0002": "Setting up x\n",
    },
)


def test_seconds() -> None:
    assert build_log.step_seconds(REPORT, STEPS, STDOUT) == {
        "launch": 27.4,
        "uploads": 2.5,
        "begin": 0.5,
        "1 (packages)": 12.6,
        "2 (write)": 0.1,
        "end": 0.6,
    }
    assert build_log.step_seconds(RawReport(""), STEPS, "") == {"launch": 0.0}


def test_the_log_has_every_step_in_order() -> None:
    seconds = build_log.step_seconds(REPORT, STEPS, STDOUT)
    assert build_log.build_log(REPORT, STEPS, seconds) == (
        "==> launch, 27.4 s\n"
        "==> step 1 (packages), 12.6 s\n"
        "Get:1\n"
        "Setting up x\n"
        "==> step 2 (write), 0.1 s\n"
        "==> warning: the root partition was not grown\n"
        "==> warning: step 1 (packages) left processes running: gpg-agent (77)\n"
    )


def test_the_log_of_a_build_that_failed_ends_where_it_failed() -> None:
    frames = {"times": "prepare 23.00\n0001 23.50\n0002 26.00\n", "log.0001": "Get:1\n", "log.0002": "E: x\n"}
    report = RawReport("0002", True, {**frames, "failed": "0002 100\n"})
    log = build_log.build_log(report, STEPS, build_log.step_seconds(report, STEPS, STDOUT))
    assert log == "==> launch, 27.4 s\n==> step 1 (packages), 2.5 s\nGet:1\nE: x\n"
    assert build_log.build_log(RawReport(""), STEPS, {"launch": 0.0}) == ""
