# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's modules and Ansible's own, run as programs."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import typing as t
from collections.abc import Mapping
from pathlib import Path

from .measure import Ran, run

COLLECTIONS = Path(__file__).resolve().parents[2] / ".run" / "collections"
ENVIRON = {
    "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
    "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
    "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
    "PYTHONPATH": str(COLLECTIONS),
}


def module(name: str, args: Mapping[str, t.Any], python: str = sys.executable) -> tuple[Ran, dict[str, t.Any]]:
    """One of our modules without Ansible around it: the interpreter's start and imports count, the controller not."""
    argv = [python, "-m", f"ansible_collections.goldsmith.kvm.plugins.modules.{name}"]
    # Another Python has no Ansible of its own.
    environ = {**ENVIRON, "PYTHONPATH": f"{COLLECTIONS}:{sysconfig.get_path('purelib')}"}
    ran = run(argv, json.dumps({"ANSIBLE_MODULE_ARGS": dict(args)}), environ)
    return ran, json.loads(ran.stdout)


def task(name: str, args: Mapping[str, t.Any]) -> Ran:
    """A module as a task of its own, by the program ``ansible``, with all that Ansible does around it."""
    ansible = os.path.join(os.path.dirname(sys.executable), "ansible")
    return run([ansible, "localhost", "-m", name, "-a", json.dumps(dict(args))], "", ENVIRON)
