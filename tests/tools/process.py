# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs: in the foreground, into a log, and as root."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from .paths import CACHE, COLLECTIONS, ROOT, VENV

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHOWN = 40  # lines of the output of a program that failed
MARKER = "GOLDSMITH_RUN"
"""The environment variable by which programs that a run left behind are recognised."""


def stop(cause: str) -> NoReturn:
    """End the run with one line about what is missing."""
    sys.exit(f"./run: {cause}")


def environment(tmpdir: str | None = None) -> dict[str, str]:
    """The environment of everything that is started: no shims, no foreign Ansible or pytest settings.

    Proxy and pip settings stay, because set-up may depend on them.
    """
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "MOLECULE_", "PYTEST_", "PYENV_", "LIBGUESTFS_"))
        and name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LANGUAGE")
    }
    loopback = "127.0.0.1,localhost"
    for name in ("no_proxy", "NO_PROXY"):
        env[name] = f"{env[name]},{loopback}" if env.get(name) else loopback
    env.setdefault("HOME", pwd.getpwuid(os.getuid()).pw_dir)
    env.update(
        PATH=f"{VENV}/bin:{SYSTEM_PATH}",
        LC_ALL="C.UTF-8",
        ANSIBLE_CONFIG=str(ROOT / "tests" / "ansible.cfg"),
        ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS),
        ANSIBLE_HOME=str(CACHE / "ansible"),
        XDG_CACHE_HOME=str(CACHE),
    )
    if tmpdir:
        env["TMPDIR"] = tmpdir
    return env


def as_root(argv: Sequence[str], env: Mapping[str, str] | None = None) -> list[str]:
    """``argv``, by way of sudo where the user is not root. sudo drops the environment: ``env`` is handed over."""
    if os.geteuid() == 0:
        return list(argv)
    # Asks for a password here, in the foreground, if sudo wants one; the command itself may have no terminal.
    if subprocess.run(["sudo", "-v"], check=False).returncode:
        stop("sudo refused: run it as root, or as a user who may use sudo")
    own = ("HOME", "USER", "LOGNAME", "SHELL", "ANSIBLE_HOME")
    kept = {name: value for name, value in (env or {}).items() if name not in own}
    # What root compiles, the user could not delete.
    kept["PYTHONDONTWRITEBYTECODE"] = "1"
    return ["sudo", "--", "env", *(f"{name}={value}" for name, value in kept.items()), *argv]


class Log:
    """A file that takes the output of the programs of one stage."""

    def __init__(self, path: Path, tmpdir: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.env = {**environment(tmpdir), "NO_COLOR": "1", "PY_COLORS": "0", "ANSIBLE_NOCOLOR": "1"}
        self._file = path.open("wb")
        self._complaints: list[str] = []

    def write(self, text: str) -> None:
        self._file.write(text.encode(errors="surrogateescape") + b"\n")
        self._file.flush()

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        root: bool = False,
        timeout: float = 600,
        telling: str = "",
    ) -> int:
        """Run a program to its end and return its exit status; 124 when it was stopped after ``timeout`` seconds.

        It has a process group of its own, which dies with it. Lines of its output that match ``telling`` (a regular
        expression) are those to show when it fails, where there are any.
        """
        command = [str(part) for part in argv]
        start = self._file.seek(0, os.SEEK_END)
        self.write("$ " + " ".join(command))
        merged = {**self.env, **(env or {})}
        began = time.monotonic()
        with subprocess.Popen(
            as_root(command, merged) if root else command,
            cwd=cwd,
            env=merged,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            process_group=0,
        ) as process:
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired:
                status = 124
                self.write(f"stopped after {timeout:.0f} seconds")
            finally:
                self._end_group(process, root)
        self.write(f"exit status {status} after {time.monotonic() - began:.1f} s")
        if status:
            self._complain(self.path.read_bytes()[start:].decode(errors="replace").splitlines(), telling)
        return status

    @staticmethod
    def _end_group(process: subprocess.Popen[bytes], root: bool) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is not None:
                return
            try:
                if root and os.geteuid():
                    subprocess.run(["sudo", "-n", "kill", f"-{number}", "--", f"-{process.pid}"], check=False)
                else:
                    os.killpg(process.pid, number)
                process.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue

    def output(self) -> str:
        """All that was written so far."""
        return self.path.read_text(encoding="utf-8", errors="replace")

    def _complain(self, output: list[str], telling: str) -> None:
        told = [x for x in output if telling and re.search(telling, x) and x not in self._complaints]
        self._complaints += told[:_SHOWN] if told else output[-_SHOWN:]

    def complaints(self) -> str:
        """What the programs that failed said, or the last lines of all when none did."""
        return "\n".join(self._complaints or self.output().splitlines()[-_SHOWN:])


def end_recorded(pid_file: Path, module: str) -> None:
    """End the program whose number is in a file, if it still is the one that runs this module, and wait for that."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    process = Path(f"/proc/{pid}")
    # Only if it is not another program that got its number.
    with contextlib.suppress(OSError):
        if module.encode() in (process / "cmdline").read_bytes():
            os.kill(pid, signal.SIGTERM)
            while process.exists():
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
                time.sleep(0.02)
    pid_file.unlink()
