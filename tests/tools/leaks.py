# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run left running or mounted."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .paths import RUN
from .process import MARKER, SYSTEM_PATH, as_root

# Read by root, who sees every process's environment.
_PROCESSES = """
marker="$1"
for environ in /proc/[0-9]*/environ; do
    tr '\\0' '\\n' 2>/dev/null <"$environ" | grep -qx "$marker" || continue
    pid="${environ#/proc/}"; pid="${pid%/environ}"
    printf '%s %s\\n' "$pid" "$(tr '\\0\\n' '  ' <"/proc/$pid/cmdline")"
done
"""


@dataclass(frozen=True)
class Snapshot:
    mounts: frozenset[str]
    """Mount points."""
    looped: frozenset[str]
    """Files behind loop devices."""


def snapshot() -> Snapshot:
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    files = [path.read_text(encoding="utf-8").strip() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    return Snapshot(frozenset(mounts), frozenset(files))


def left_behind(before: Snapshot, run_id: str, tmpdir: str, patience: float = 10) -> list[str]:
    """Processes started by this run, and mounts and loop devices below its directories, that are still there.

    What is about to end gets ``patience`` seconds for it.
    """
    deadline = time.monotonic() + patience
    while (found := _left(before, run_id, tmpdir)) and time.monotonic() < deadline:
        time.sleep(1)
    return found


def _left(before: Snapshot, run_id: str, tmpdir: str) -> list[str]:
    after = snapshot()
    found = [f"mounted: {path}" for path in sorted(after.mounts - before.mounts)]
    found += [f"loop device on {file}" for file in sorted(after.looped - before.looped)]
    found = [line for line in found if tmpdir in line or str(RUN) in line]
    listed = subprocess.run(
        as_root(["sh", "-c", _PROCESSES, "sh", f"{MARKER}={run_id}"]),
        env={"PATH": SYSTEM_PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    return found + [f"process: {line}" for line in sorted({*listed.stdout.splitlines(), *_naming(tmpdir)})]


def _naming(tmpdir: str) -> Iterator[str]:
    """Processes with the directory in their arguments: libvirtd gives QEMU an environment without our marker."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            arguments = path.read_bytes()
            if tmpdir.encode() in arguments:
                yield f"{path.parent.name} {arguments.replace(bytes(1), b' ').decode(errors='replace')}"
