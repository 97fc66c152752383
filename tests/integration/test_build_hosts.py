# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build hosts local and remote, as root and as a user without rights: one image for each user, two launches in all.

What one way has built, the other way finds and leaves alone.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .examples import ROOT, Reader
from .mounted import mounted
from .plays import PLAYBOOK, Played, run_plays
from .secure_shell import remote_host

pytestmark = pytest.mark.slow

ROLE = "goldsmith.kvm.golden_image"
CUSTOMIZE = "goldsmith.kvm.image_customize"
NOBODY = {
    "become": True,
    "become_user": "nobody",
    "become_method": "ansible.builtin.su",
    "become_flags": "-s /bin/sh",
}
BANNER = "This is a golden image.\n"
SECRET = "password = 5f1e7c02b9\n"
STEPS = [
    {"upload": {"src": "banner.txt", "dest": "/etc/issue.net"}},
    {"upload": {"src": "vaulted.conf", "dest": "/etc/site.conf", "mode": "0600"}},
]


@dataclass(frozen=True)
class Controller:
    """A directory with a playbook's files and a role, which build hosts reached by ssh do not have."""

    directory: Path
    reader: Reader
    inventory: Path

    def play(self, hosts: str, built: Path, play: dict[str, t.Any]) -> Played:
        """Run a play on ``local`` or ``remote``, which has its images and the keyring in ``built``."""
        if not (built / "keyring.asc").exists():
            shutil.copyfile(self.reader.keyring, built / "keyring.asc")
        variables = {
            "golden_image_mirrors": [self.reader.mirror],
            "golden_image_keyring": str(built / "keyring.asc"),
            "golden_image_install_packages": False,
            "golden_image_release": "noble",
            "golden_image_name": "site",
            "golden_image_store": str(built / "store"),
            "golden_image_dest_dir": str(built / "golden"),
            "golden_image_presets": [],
            "golden_image_boot_check": False,
            "golden_image_generalise": False,
            "golden_image_steps": STEPS,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        return run_plays(
            [{"hosts": hosts, "gather_facts": False, **play, "vars": {**variables, **play.get("vars", {})}}],
            *("-i", str(self.inventory), "--vault-password-file", str(self.directory / "vault-password")),
            directory=self.directory,
        )


@pytest.fixture(name="controller", scope="module")
def fixture_controller(reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    directory = tmp_path_factory.mktemp("controller")
    for name, content in {
        "vault-password": "not a secret",
        "files/vaulted.conf": SECRET,
        "roles/site/files/banner.txt": BANNER,
        "roles/site/tasks/main.yml": f"- ansible.builtin.include_role: {{name: {ROLE}}}\n",
    }.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o600)
    password = directory / "vault-password"
    encrypt: list[str | Path] = [PLAYBOOK.with_name("ansible-vault"), "encrypt", "--vault-password-file", password]
    subprocess.run([*encrypt, directory / "files/vaulted.conf"], check=True, capture_output=True)
    inventory = directory / "inventory.json"
    with remote_host(tmp_path_factory.mktemp("ssh"), [directory, ROOT]) as remote:
        hosts = {"local": {"ansible_connection": "local"}, "remote": remote}
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
        yield Controller(directory, reader, inventory)


@pytest.fixture(name="built", scope="module")
def fixture_built(controller: Controller, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What root has built on the remote host."""
    built = tmp_path_factory.mktemp("built")
    played = controller.play("remote", built, {"roles": ["site"]})
    assert "goldsmith.kvm.golden_image : Customise it" in played.changed
    return built


@pytest.fixture(name="nobody_s", scope="module")
def fixture_nobody_s() -> Iterator[Path]:
    """A directory of nobody's own, on a path that nobody may walk."""
    directory = Path(tempfile.mkdtemp(prefix="goldsmith-nobody-", dir="/var/tmp"))
    shutil.chown(directory, "nobody")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(name="built_by_nobody", scope="module")
def fixture_built_by_nobody(controller: Controller, nobody_s: Path) -> Path:
    """What nobody has built on this machine; the files come from where nobody may not look."""
    # The appliance, too, is of nobody's own.
    environment = {"LIBGUESTFS_CACHEDIR": str(nobody_s)}
    played = controller.play("local", nobody_s, {"roles": ["site"], **NOBODY, "environment": environment})
    assert "goldsmith.kvm.golden_image : Customise it" in played.changed
    return nobody_s


def require_files_in(image: Path) -> None:
    with mounted(image) as root:
        assert (root / "etc/issue.net").read_text() == BANNER
        assert (root / "etc/site.conf").read_text() == SECRET
        assert stat.S_IMODE((root / "etc/site.conf").stat().st_mode) == 0o600


def test_a_remote_host_gets_the_files_of_roles_and_playbooks(built: Path) -> None:
    require_files_in(built / "golden/site.qcow2")


def test_a_local_host_finds_what_was_built(controller: Controller, built: Path) -> None:
    assert controller.play("local", built, {"roles": ["site"]}).changed == []


def test_delegated_tasks_in_a_loop(controller: Controller, built: Path) -> None:
    task = {
        CUSTOMIZE: {
            "base": {"path": str(next((built / "store/images").glob("*.img")))},
            "dest_dir": str(built / "golden"),
            "store": str(built / "store"),
            "name": "{{ item }}",
            "steps": "{{ steps }}",
        },
        "delegate_to": "remote",
        "loop": ["site", "another"],
        "check_mode": True,
    }
    paths = ["roles/site/files/banner.txt", "vaulted.conf"]
    steps = [{"upload": {**step["upload"], "src": path}} for step, path in zip(STEPS, paths)]
    played = controller.play("local", built, {"tasks": [task], "vars": {"steps": steps}})
    site, another = played.results[0]["results"]
    assert not site["changed"]
    assert site["image"]["path"] == str((built / "golden/site.qcow2").resolve())
    assert another["changed"]
    assert another["fingerprint"] == site["fingerprint"]


def test_a_user_without_rights_builds(built_by_nobody: Path) -> None:
    image = built_by_nobody / "golden/site.qcow2"
    require_files_in(image)
    assert image.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert stat.S_IMODE(image.stat().st_mode) == 0o444


def test_a_user_without_rights_on_a_remote_host_finds_what_was_built(
    controller: Controller, built_by_nobody: Path
) -> None:
    assert controller.play("remote", built_by_nobody, {"roles": ["site"], **NOBODY}).changed == []


def test_a_store_that_the_user_may_not_write(controller: Controller, nobody_s: Path) -> None:
    variables = {"golden_image_store": "/var/lib/goldsmith"}
    task = {"ansible.builtin.include_role": {"name": ROLE}}
    play = {"tasks": [task], **NOBODY, "vars": variables, "ignore_errors": True}
    said = controller.play("local", nobody_s, play).of("goldsmith.kvm.golden_image : Fetch the base image")["msg"]
    assert re.match(r"/var/lib/goldsmith\S* cannot be written: Permission denied\. Use become, or choose a dir", said)


def test_a_destination_that_the_user_may_not_write(controller: Controller, built_by_nobody: Path) -> None:
    """Found out before the launch, after the files of the controller were sent."""
    forbidden = built_by_nobody / "root's"
    forbidden.mkdir()
    payloads = built_by_nobody / "store/payloads"
    for payload in payloads.iterdir():
        payload.unlink()
    task = {
        CUSTOMIZE: {
            "base": {"path": str(next((built_by_nobody / "store/images").glob("*.img")))},
            "dest_dir": str(forbidden),
            "store": str(built_by_nobody / "store"),
            "name": "{{ item }}",
            "steps": [{"upload": {"src": "vaulted.conf", "dest": "/etc/site.conf"}}],
        },
        "delegate_to": "remote",
        "loop": ["one", "two"],
        "ignore_errors": True,
    }
    played = controller.play("local", built_by_nobody, {"tasks": [task], **NOBODY})
    for result in played.results[-1]["results"]:
        assert re.search(r"cannot be written: Permission denied\. Use become", result["msg"])
    assert [payload.read_text() for payload in payloads.iterdir()] == [SECRET]
    assert os.listdir(forbidden) == []
