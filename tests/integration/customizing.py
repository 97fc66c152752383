# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe with every step, where it is built by ansible-playbook, and how such a build is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import typing as t
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.tests.fixtures.base_image import BaseImage
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.integration.plays import Result, run_tasks

MODULE = "goldsmith.kvm.image_customize"
MARK = "GOLDSMITH_TEST_OF"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com"
HASH = "$6$salt$secretsecretsecret"
VAULT_PASSWORD = "not a secret"
ODD = "-x: 'quoted' \"twice\" $HOME `id` \\\n\ttwo lines ä\n"


@dataclass
class Site:
    """Where images are built, and from what."""

    directory: Path
    base: BaseImage
    steps: list[dict[str, t.Any]]
    vault_file: Path

    def options(self, name: str = "everything", **changed: t.Any) -> dict[str, t.Any]:
        return {
            "base": {"path": str(self.base.path), "serial": self.base.serial, "product": "test:server"},
            "dest_dir": str(self.directory / "golden"),
            "store": str(self.directory / "store"),
            "name": name,
            "steps": self.steps,
            **changed,
        }

    def run(self, *options: str, environ: dict[str, str] | None = None, **changed: t.Any) -> Result:
        vault = f"--vault-password-file={self.vault_file}"
        task = {MODULE: self.options(**changed)}
        (result,) = run_tasks([task], vault, *options, ignore_errors=True, environ=environ)
        return result

    def visible(self) -> list[str]:
        golden = self.directory / "golden"
        return sorted(path.name for path in golden.iterdir()) if golden.exists() else []


def every_step(directory: Path, keys: Keys, source: str, vault_file: Path) -> list[dict[str, t.Any]]:
    local, vaulted, remote = (directory / name for name in ("local file", "vaulted", "remote"))
    local.write_bytes(os.urandom(300_000))
    remote.write_text("of the target\n")
    vaulted.write_text("from the vault\n")
    ansible_vault = Path(sys.executable).with_name("ansible-vault")
    encrypt = [ansible_vault, "encrypt", "--vault-password-file", vault_file, vaulted]
    subprocess.run(encrypt, check=True, capture_output=True)
    unit = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
    user = {"name": "ops", "sudo": "nopasswd", "groups": ["adm"], "authorized_keys": [KEY], "comment": "O'Ps"}
    return [
        {"write": {"dest": "/etc/apt/keyrings/t.asc", "content": keys.apt.armored.read_text()}},
        {"write": {"dest": "/etc/apt/sources.list.d/t.list", "content": source}},
        {"packages": {"install": ["goldsmith-hello"]}},
        {"upload": {"src": str(local), "dest": "/opt/", "mode": "0640", "owner": "daemon", "group": "adm"}},
        {"upload": {"src": str(vaulted), "dest": "/opt/vaulted", "mode": "0600"}},
        {"upload": {"src": str(remote), "remote_src": True, "dest": "/opt/remote"}},
        {"write": {"dest": "/etc/odd", "content": ODD}},
        {"run_command": {"command": "goldsmith-hello >greeting\npwd >>greeting", "chdir": "/opt", "timeout": 100}},
        {"user": {**user, "password_hash": HASH}},
        {"user": user},
        {"user": {"name": "app", "system": True, "uid": 901}},
        {"ssh_inject": {"user": "root", "key": KEY}},
        {"hostname": {"name": "golden"}},
        {"timezone": {"name": "Europe/Oslo"}},
        {"systemd_unit": {"name": "marker.service", "enabled": True, "content": unit}},
        {"systemd_unit": {"name": "ssh.service", "drop_in": "10-t.conf", "content": "[Service]\nRestart=always\n"}},
        {"systemd_unit": {"name": "goldsmith-hello.timer", "enabled": False}},
        {"disable_unattended_upgrades": {}},
    ]


def kill_during_launch(site: Site) -> None:
    """Start the build and kill the module when the appliance is at work."""
    with ThreadPoolExecutor(1) as pool:
        play = pool.submit(site.run, environ={MARK: str(site.directory)})
        appliances: list[int] = []
        while not appliances:
            assert not play.done(), play.result()
            time.sleep(0.2)
            appliances = list(processes(site, "/disk.qcow2,"))
        assert os.listdir(site.directory / "store" / "layers")
        for pid in processes(site, "AnsiballZ_image_customize"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert play.result()["failed"]
    for dummy in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in appliances):
            return
        time.sleep(0.1)
    pytest.fail("the appliance outlived the module that was killed")


def processes(site: Site, text: str) -> Iterator[int]:
    """Programs of the marked play that have this text in their command line."""
    mark = f"{MARK}={site.directory}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            if text.encode() in words and mark in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)
