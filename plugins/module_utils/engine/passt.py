# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""passt: whether libguestfs would take it for the appliance's network, and whether it then works.

libguestfs asks nobody: where its version knows passt and ``passt --help`` runs, passt it is. Then passt may fail,
because it drops root's rights, or because AppArmor lets it write in few places only. So it is started as libguestfs
starts it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import tempfile
import time

from ..common.errors import CommandError
from ..common.host import Host

PROGRAM = "passt"
_SECONDS = 10
_PATIENCE = 2.0
"""Seconds that passt has to end by itself, once nobody talks to it any more."""
_ADDRESSES = ("--address", "169.254.2.15", "--netmask", "16", "--gateway", "169.254.2.2")


def known_to(library: str) -> bool:
    """Whether the library of libguestfs at this path uses passt; versions up to 1.50 do not."""
    try:
        with open(library, "rb") as file:
            return b"passt.sock" in file.read()
    except OSError:
        return False


def library(host: Host, program: str) -> str:
    """Path of the library of libguestfs that a program is linked with; ``""`` where that cannot be told."""
    ldd = host.which("ldd")
    said = host.run([ldd, program]).stdout if ldd else ""
    found = re.search(r"libguestfs\.so\.\S* => (\S+)", said)
    return found[1] if found else ""


def is_runnable(host: Host, program: str = PROGRAM) -> bool:
    """Whether libguestfs would call it usable."""
    path = host.which(program)
    try:
        return path is not None and host.run([path, "--help"], timeout=_SECONDS).rc in (0, 1)
    except CommandError:
        return False


def failure(host: Host, program: str = PROGRAM) -> str:
    """Start passt as libguestfs does, and end it; returns why it did not start, or ``""``."""
    parent = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.geteuid() == 0 or not os.access(parent, os.W_OK | os.X_OK):
        parent = "/tmp"
    directory = tempfile.mkdtemp(prefix="libguestfs", dir=parent)
    try:
        return _start(host, program, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _start(host: Host, program: str, directory: str) -> str:
    address, pid_file = os.path.join(directory, "passt.sock"), os.path.join(directory, "passt1.pid")
    argv = [program, "--one-off", "--socket", address, "--pid", pid_file, *_ADDRESSES]
    try:
        done = host.run(argv, timeout=_SECONDS)
    except CommandError as error:
        return error.cause
    if done.rc != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip() and "syslog" not in line]
        return said[-1] if said else f"exit status {done.rc}"
    # With --one-off it ends when whoever connected has gone.
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.connect(address)
    _end(pid_file)
    return ""


def _end(pid_file: str) -> None:
    try:
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + _PATIENCE
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline and not _is_dead(pid):
            os.kill(pid, 0)
            time.sleep(0.05)
        if not _is_dead(pid):
            os.kill(pid, signal.SIGTERM)


def _is_dead(pid: int) -> bool:
    """Whether it is gone, or only waits for its parent to look."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True
