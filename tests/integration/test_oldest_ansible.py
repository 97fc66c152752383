# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest supported ansible-core, with the oldest Python of this machine for the modules.

It fetches, plans, and finds what the newest has built; nothing is launched anew.
"""

from __future__ import annotations

import json
import subprocess
import textwrap
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.tools import setup
from tests.tools.sanity import OLDEST_VENV, other_pythons

from .examples import Example, Reader
from .plays import Played, run_playbook

pytestmark = pytest.mark.slow


@pytest.fixture(name="variables", scope="module")
def fixture_variables(reader: Reader, built_example: Example) -> dict[str, t.Any]:
    """Those with which the role makes what the example has made."""
    setup.make_virtualenv(OLDEST_VENV, "oldest")
    tasks = yaml.safe_load(built_example.text)[0]["tasks"]
    (customize,) = (task["goldsmith.kvm.image_customize"] for task in tasks if "goldsmith.kvm.image_customize" in task)
    pythons = [str(python) for path in other_pythons()[:1] for python in Path(path).glob("python3.?")]
    return {
        "ansible_python_interpreter": (pythons or ["/usr/bin/python3"])[0],
        "golden_image_release": "noble",
        "golden_image_name": customize["name"],
        "golden_image_steps": customize["steps"],
        "golden_image_mirrors": [reader.mirror],
        "golden_image_keyring": reader.keyring,
        "golden_image_store": str(reader.store),
        "golden_image_dest_dir": str(reader.golden_dir),
        "golden_image_install_packages": False,
        "golden_image_presets": [],
        "golden_image_generalise": False,
        "golden_image_boot_check": False,
        "golden_image_sbom": [],
    }


def build(variables: dict[str, t.Any], *options: str) -> Played:
    played = run_playbook(
        "goldsmith.kvm.golden_image",
        *("-e", json.dumps(variables), *options),
        ansible_playbook=OLDEST_VENV / "bin" / "ansible-playbook",
    )
    assert "DEPRECATION" not in played.output
    return played


def test_what_the_newest_has_built_is_left_alone(variables: dict[str, t.Any]) -> None:
    played = build(variables)
    assert played.changed == []
    assert "nothing had to change" in played.output


def test_fetching_and_planning(variables: dict[str, t.Any], tmp_path: Path) -> None:
    elsewhere = {"golden_image_store": str(tmp_path / "store"), "golden_image_dest_dir": str(tmp_path / "golden")}
    fetched = build({**variables, **elsewhere}, "--tags", "golden_image_fetch")
    assert fetched.changed == ["goldsmith.kvm.golden_image : Fetch the base image"]
    planned = build({**variables, **elsewhere}, "--check", "--diff")
    assert planned.changed == ["goldsmith.kvm.golden_image : Customise it"]
    assert not (tmp_path / "golden").exists()


def test_domains_are_tuned_and_audited(tmp_path: Path) -> None:
    """In check mode: the test driver, whose CPUs 0, 2 and 4 are online, forgets what it was told when a module ends."""
    setup.make_virtualenv(OLDEST_VENV, "oldest")
    given = {
        "ansible_python_interpreter": "/usr/bin/python3",
        "domain_tuning_uri": "test:///default",
        "domain_tuning_backup_dir": str(tmp_path / "backups"),
        "domain_tuning_wishes": [{"domains": ["*"], "cputune": {"emulatorpin": "0"}}],
        "domain_tuning_wishes_b": [{"domains": ["*"], "cputune": {"emulatorpin": "2"}}],
        "domain_tuning_wishes_a": [{"domains": ["*"], "cputune": {"emulatorpin": "4"}}],
    }
    played = run_playbook(
        "goldsmith.kvm.domain_tuning",
        *("--check", "-e", json.dumps(given)),
        ansible_playbook=OLDEST_VENV / "bin" / "ansible-playbook",
    )
    assert played.changed == ["goldsmith.kvm.domain_tuning : Tune the domains"]
    (knob,) = played.of("goldsmith.kvm.domain_tuning : Tune the domains")["domains"]["test"]["knobs"]
    assert (knob["knob"], knob["wished"], knob["status"]) == ("cputune.emulatorpin", "2", "applied_live")


def test_a_value_that_stands_encrypted_in_the_task(tmp_path: Path) -> None:
    setup.make_virtualenv(OLDEST_VENV, "oldest")
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    sealed = VaultLib([("default", VaultSecret(b"open sesame"))]).encrypt(b"s3cret-key", VaultSecret(b"open sesame"))
    base = tmp_path / "base.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "64M"], check=True)
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        f"""
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - goldsmith.kvm.image_customize:
        base: {{path: {base}}}
        dest_dir: {tmp_path}/golden
        store: {tmp_path}/store
        name: web
        steps:
          - write:
              dest: /etc/key
              in_image: true
              secret_content: !vault |
{textwrap.indent(sealed.decode(), " " * 16)}
"""
    )
    planned = run_playbook(
        str(playbook),
        "--check",
        "--diff",
        "--vault-password-file",
        str(password),
        ansible_playbook=OLDEST_VENV / "bin" / "ansible-playbook",
    )
    assert planned.results[0]["changed"]
    assert "s3cret-key" not in planned.output
