# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running modules as a play runs them, and reading the results. A play costs about 2 s, a task of it 0.5 s.

::

    first, second = run_tasks([{"goldsmith.kvm.image_fetch": options}, {"goldsmith.kvm.image_fetch": options}])
    assert first["changed"] and not second["changed"]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")

NOBODY: dict[str, t.Any] = {
    "become": True,
    "become_user": "nobody",
    "become_method": "ansible.builtin.su",
    "become_flags": "-s /bin/sh",
}
"""Keywords of a task that is run without rights."""

Result = dict[str, t.Any]
"""What a task returned, as ``register`` would have it."""


def environment() -> dict[str, str]:
    """Of every program of Ansible here: this checkout's collection, and no configuration of the user's."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "ANSIBLE_CONFIG": str(_ROOT / "tests" / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(_ROOT / ".run" / "collections"),
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callback")),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
    }


def run_tasks(
    tasks: Sequence[Mapping[str, t.Any]],
    *options: str,
    ignore_errors: bool = False,
    environ: Mapping[str, str] | None = None,
    variables: Mapping[str, t.Any] | None = None,
) -> list[Result]:
    """Run one play of these tasks on localhost and return the results in order.

    :arg tasks: as they stand in a playbook. Plays that register and compare do so with Jinja, as usual.
    :arg options: of ansible-playbook, such as ``--check`` and ``--diff``.
    :arg ignore_errors: go on after a task that failed; its result has ``failed``. Otherwise that is an AssertionError.
    :arg environ: added to the environment, also of the modules.
    :arg variables: of the play.
    """
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "ignore_errors": ignore_errors,
        "vars": {"ansible_python_interpreter": sys.executable, **(variables or {})},
        "tasks": list(tasks),
    }
    return run_plays([play], *options, environ=environ).results


@dataclass(frozen=True)
class Played:
    """What came of a playbook: the result of each task that was run, and what ansible-playbook printed."""

    results: list[Result]
    tasks: list[str]
    """The name of each result's task."""
    output: str

    @property
    def changed(self) -> list[str]:
        """The names of the tasks that changed something."""
        return [task for task, result in zip(self.tasks, self.results) if result.get("changed")]

    def of(self, task: str) -> Result:
        """The last result of the task with this name."""
        return [result for name, result in zip(self.tasks, self.results) if name == task][-1]


def run_plays(
    plays: Sequence[Mapping[str, t.Any]],
    *options: str,
    directory: Path | None = None,
    environ: Mapping[str, str] | None = None,
    ansible_playbook: Path = PLAYBOOK,
) -> Played:
    """Run a playbook of these plays; AssertionError when it fails.

    :arg directory: of the playbook: where ``files`` and ``roles`` are looked for.
    """
    with tempfile.TemporaryDirectory(prefix="play-") as scratch:
        playbook = (directory or Path(scratch)) / "play.json"
        playbook.write_text(json.dumps(list(plays)))
        return run_playbook(str(playbook), *options, environ=environ, ansible_playbook=ansible_playbook)


def run_playbook(
    playbook: str, *options: str, environ: Mapping[str, str] | None = None, ansible_playbook: Path = PLAYBOOK
) -> Played:
    """Run a playbook by its path or its name in the collection; AssertionError when it fails."""
    with tempfile.NamedTemporaryFile("r", prefix="results-") as written:
        done = subprocess.run(
            [ansible_playbook, *options, playbook],
            env={**environment(), "GOLDSMITH_RESULTS": written.name, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"ansible-playbook ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        lines = [json.loads(line) for line in written]
    results, tasks = [line["result"] for line in lines], [line["task"] for line in lines]
    return Played(results, tasks, done.stdout + done.stderr)


def run_module(name: str, *options: str, environ: Mapping[str, str] | None = None, **arguments: t.Any) -> Result:
    """Run one module, whose result is returned also when it failed."""
    (result,) = run_tasks([{name: arguments}], *options, ignore_errors=True, environ=environ)
    return result
