# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as its users get it: built, installed, read by ansible-doc, and accepted by galaxy-importer."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from . import setup
from .paths import ROOT, RUN, VENV
from .process import Log
from .summary import Tally

BUILD = RUN / "package"
IMPORTER_VENV = RUN / "venv-importer"
_KEPT = {"meta", "plugins", "roles", "playbooks", "MANIFEST.json", "FILES.json"}
"""What a collection must get by with: some packagers delete the rest."""


def run(log: Log, extra: list[str]) -> Tally:
    tally = Tally()
    shutil.rmtree(BUILD, ignore_errors=True)
    galaxy = f"{VENV}/bin/ansible-galaxy"
    built = log.run([galaxy, "collection", "build", "--output-path", str(BUILD)]) == 0
    tally.count("build", built)
    if not built:
        return tally
    archive = next(BUILD.glob("*.tar.gz"))
    env = {"ANSIBLE_COLLECTIONS_PATH": str(BUILD)}
    install = [galaxy, "collection", "install", "--offline", "--no-deps", "-p", str(BUILD), str(archive)]
    tally.count("install", log.run(install, env=env) == 0)
    installed = BUILD / "ansible_collections" / "goldsmith" / "kvm"
    for path in installed.iterdir():
        if path.name not in _KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for kind, names in _documented(installed).items():
        for name in names:
            _check_documentation(log, tally, kind, f"goldsmith.kvm.{name}", env)
    for playbook in sorted((installed / "playbooks").glob("*.yml")):
        name = f"goldsmith.kvm.{playbook.stem}"
        status = log.run([VENV / "bin" / "ansible-playbook", "--syntax-check", name], env=env)
        tally.count(f"syntax of {name}", status == 0)
    _import(log, tally, archive)
    return tally


def _documented(installed: Path) -> dict[str, list[str]]:
    return {
        "module": sorted(path.stem for path in (installed / "plugins" / "modules").glob("[!_]*.py")),
        "role": sorted(path.name for path in (installed / "roles").glob("*") if path.is_dir()),
    }


def _check_documentation(log: Log, tally: Tally, kind: str, name: str, env: dict[str, str]) -> None:
    """One check for each module or role: it renders, and nothing that a reader expects is missing."""
    ansible_doc = f"{VENV}/bin/ansible-doc"
    problems = [] if log.run([ansible_doc, "-t", kind, name], env=env) == 0 else ["does not render"]
    if kind == "module" and not problems:
        command = [ansible_doc, "-t", kind, "--json", name]
        done = subprocess.run(command, env={**log.env, **env}, capture_output=True, text=True, check=True)
        documented = json.loads(done.stdout).get(name)
        problems = _gaps(documented) or _refused(done.stdout) if documented else ["does not render"]
    tally.count(f"documentation of {name}: {'; '.join(problems)}", not problems)


def _gaps(documented: dict[str, Any]) -> list[str]:
    gaps = [f"no {part}" for part in ("examples", "return") if not documented[part]]
    if not documented["doc"].get("version_added"):
        gaps.append("no version_added")
    return gaps + [f"RETURN {path} has no sample" for path in _without_sample(documented["return"] or {})]


def _refused(documented: str) -> list[str]:
    """What is wrong with the examples."""
    argv = [f"{VENV}/bin/python", "-m", "tests.tools.examples"]
    done = subprocess.run(argv, cwd=ROOT, input=documented, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines() if done.returncode else []


def _without_sample(returned: dict[str, Any], above: str = "") -> list[str]:
    """Paths of return values that neither have a sample nor are part of one."""
    missing = []
    for name, value in returned.items():
        if "sample" in value:
            continue
        path = f"{above}{name}"
        missing += _without_sample(value["contains"], f"{path}.") if value.get("contains") else [path]
    return missing


def _import(log: Log, tally: Tally, archive: Path) -> None:
    """What Ansible Galaxy does with an uploaded collection, apart from ansible-test, which is a stage of its own."""
    setup.make_virtualenv(IMPORTER_VENV, "importer")
    status = log.run(
        [IMPORTER_VENV / "bin" / "python", "-m", "galaxy_importer.main", archive],
        cwd=BUILD,
        env={"PATH": f"{IMPORTER_VENV}/bin:{log.env['PATH']}", "GALAXY_IMPORTER_RUN_ANSIBLE_TEST": "false"},
        telling="ERROR|WARNING",
    )
    accepted = status == 0 and "Importer processing completed successfully" in log.output()
    tally.count("galaxy-importer", accepted)
