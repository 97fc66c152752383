# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tools import leaks


def test_a_process_that_names_the_directory_is_found_without_our_marker(tmp_path: Path) -> None:
    """As QEMU is, to which libvirtd gives an environment of its own."""
    before = leaks.snapshot()
    argv = [sys.executable, "-c", "input()", str(tmp_path / "disk")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, env={}) as process:
        found = leaks.left_behind(before, "no such run", str(tmp_path), patience=0)
        process.communicate(b"\n")
    assert [line for line in found if line.startswith(f"process: {process.pid} ")]
    assert leaks.left_behind(before, "no such run", str(tmp_path), patience=0) == []
