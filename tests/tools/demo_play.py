# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the collection's playbooks for someone who looks on."""

from __future__ import annotations

import json
import subprocess
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .paths import ROOT, VENV
from .process import environment

_CALLBACK = ROOT / "tests" / "integration" / "callback"


class DemoError(Exception):
    """The demo does not show what it should; the text says what."""


@dataclass(frozen=True)
class Played:
    changed: bool
    results: Mapping[str, dict[str, t.Any]]
    """The last result of each task, by the task's name."""


def play(playbook: str, variables: Mapping[str, t.Any], directory: Path, name: str, *options: str) -> Played:
    """Run one of the collection's playbooks; its output is shown, and kept in ``directory`` with its variables.

    Raises DemoError when it fails. Without the time that it gets for its own end, it would leave modules running.
    """
    given, log, results = (directory / f"{name}.{suffix}" for suffix in ("json", "log", "results"))
    given.write_text(json.dumps(variables, indent=2) + "\n")
    results.unlink(missing_ok=True)
    argv = [str(VENV / "bin" / "ansible-playbook"), f"goldsmith.kvm.{playbook}", "-e", f"@{given}", *options]
    print("\ndemo: $ ansible-playbook", *argv[1:], flush=True)
    env = {
        **environment(),
        "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACK),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "GOLDSMITH_RESULTS": str(results),
    }
    with (
        log.open("w") as copy,
        subprocess.Popen(
            argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                copy.write(line)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode:
        raise DemoError(f"the playbook failed; its output is in {log}")
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    return Played(
        any(line["result"].get("changed") for line in lines), {line["task"]: line["result"] for line in lines}
    )
