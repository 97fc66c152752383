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
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")

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
    with tempfile.TemporaryDirectory(prefix="play-") as directory:
        playbook, written = Path(directory) / "play.json", Path(directory) / "results"
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "ignore_errors": ignore_errors,
            "vars": {"ansible_python_interpreter": sys.executable, **(variables or {})},
            "tasks": list(tasks),
        }
        playbook.write_text(json.dumps([play]))
        written.touch()
        done = subprocess.run(
            [_PLAYBOOK, *options, playbook],
            env={**environment(), "GOLDSMITH_RESULTS": str(written), **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"ansible-playbook ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return [json.loads(line)["result"] for line in written.read_text().splitlines()]


def run_module(name: str, *options: str, environ: Mapping[str, str] | None = None, **arguments: t.Any) -> Result:
    """Run one module, whose result is returned also when it failed."""
    (result,) = run_tasks([{name: arguments}], *options, ignore_errors=True, environ=environ)
    return result
