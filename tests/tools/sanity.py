# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity with no ignore files, by the newest ansible-core for this Python and by the oldest supported."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from . import setup
from .paths import HOME, RUN, VENV
from .process import SYSTEM_PATH, Log
from .summary import Tally

OLDEST_VENV = RUN / "venv-oldest"


def run(log: Log, extra: list[str]) -> Tally:
    tally = Tally()
    copy = setup.copy_collection(RUN / "sanity")
    # A repository of its own: ansible-test would take its list of files from the checkout's, which ignores the copy.
    log.run(["git", "init", "--quiet", copy])
    env = {"HOME": str(HOME), "PATH": ":".join([SYSTEM_PATH, *other_pythons()])}
    for venv in (VENV, OLDEST_VENV):
        if venv == OLDEST_VENV:
            setup.make_virtualenv(venv, "oldest")
        _prepare_home(venv)
        start = len(log.output())
        status = log.run(
            [venv / "bin" / "ansible-test", "sanity", "--color", "no", "--requirements"],
            cwd=copy,
            env={**env, "PATH": f"{venv}/bin:{env['PATH']}"},
            timeout=900,
            telling=r"^(ERROR|FATAL): ",
        )
        _count(tally, log.output()[start:], status, venv.name)
    return tally


def _count(tally: Tally, output: str, status: int, name: str) -> None:
    """One for each sanity test of the output of one ansible-test."""
    ran = set(re.findall(r'^Running sanity test "([\w-]+)"(?: on Python ([0-9.]+))?', output, re.MULTILINE))
    listed = re.search(r"sanity test\(s\) listed below .*\n((?:[\w-]+(?: --python [0-9.]+)?\n)+)", output)
    failed = set(listed[1].splitlines()) if listed else set()
    tally.passed += len(ran) - len(failed)
    for test in sorted(failed):
        tally.fail(f"{test} ({name})")
    if status and not failed:
        tally.fail(f"ansible-test ({name}) ended with exit status {status}")


def _prepare_home(venv: Path) -> None:
    """Let ansible-test make virtualenvs with the network's package index only.

    It would fetch a get-pip script from a host of its own; Python brings a pip itself. The user's settings of pip hold.
    """
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    source = next(venv.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py"))
    for version in re.findall(r"pip='([0-9.]+)'", source.read_text(encoding="utf-8")):
        script = cache / f"get_pip_{version.replace('.', '_')}.py"
        script.write_text("import ensurepip\nensurepip.bootstrap()\n", encoding="utf-8")
    for settings in (".config/pip", ".pip"):
        theirs = Path("~", settings).expanduser()
        ours = HOME / settings
        if theirs.is_dir() and not ours.exists():
            ours.parent.mkdir(parents=True, exist_ok=True)
            ours.symlink_to(theirs)


def other_pythons() -> list[str]:
    """Directories of the oldest and the newest further Python that is here; pyenv's shims would not do."""
    versions = {}
    for python in Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser().glob("versions/3.*/bin/python3.*"):
        match = re.fullmatch(r"python3\.([0-9]+)", python.name)
        if match and int(match[1]) >= 9 and int(match[1]) != sys.version_info[1]:
            versions[int(match[1])] = str(python.parent)
    return [versions[minor] for minor in sorted({min(versions), max(versions)})] if versions else []
