# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_customize by ansible-playbook, with the real virt-customize on the test base image.

One image is built with every step, after a first try was killed, by two plays at once. The rest looks at it, and at
runs that launch nothing; two launches fail. Each takes half a minute to two minutes without KVM.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import typing as t
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.store.files import hash_file
from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.fixtures.apt_repository import LOOPBACK_IN_APPLIANCE, write_repository
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.server import serve
from ansible_collections.goldsmith.kvm.tests.integration.customizing import (
    HASH,
    KEY,
    MODULE,
    ODD,
    VAULT_PASSWORD,
    Site,
    every_step,
    kill_during_launch,
)
from ansible_collections.goldsmith.kvm.tests.integration.mounted import mounted
from ansible_collections.goldsmith.kvm.tests.integration.plays import Result, run_tasks

pytestmark = pytest.mark.slow


@pytest.fixture(name="site", scope="module")
def fixture_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("customize")
    keys = Keys.ensure(directory / "keys")
    with keys.session():
        write_repository(directory / "tree" / "apt", keys)
    with serve(directory / "tree") as server:
        port = server.url.rpartition(":")[2]
        source = f"deb [signed-by=/etc/apt/keyrings/t.asc] http://{LOOPBACK_IN_APPLIANCE}:{port}/apt stable main\n"
        base, *_others = (image for image in base_image.ensure() if image.lineage == "minimal")
        vault_file = directory / "vault-password"
        vault_file.write_text(VAULT_PASSWORD)
        yield Site(directory, base, every_step(directory, keys, source, vault_file), vault_file)


@dataclass
class Story:
    """What happened until the image was there, and after."""

    predicted: Result
    visible_after_kill: list[str]
    built: list[Result]
    """By two plays at once."""
    predicted_again: Result
    again: Result


@pytest.fixture(name="story", scope="module")
def fixture_story(site: Site) -> Story:
    predicted = site.run("--check", "--diff")
    assert not (site.directory / "store").exists()
    kill_during_launch(site)
    visible = site.visible()
    with ThreadPoolExecutor(2) as pool:
        built = list(pool.map(lambda dummy: site.run(), range(2)))
    for result in built:
        assert not result.get("failed"), result["msg"]
    return Story(predicted, visible, built, site.run("--check"), site.run())


def test_check_mode_told_the_truth(story: Story) -> None:
    # No path: the steps hold a secret, and the store had no key for it.
    assert story.predicted["changed"]
    assert story.predicted["image"]["path"] is None
    assert all(step["changed"] for step in story.predicted["steps"])
    assert "secretsecret" not in json.dumps(story.predicted)
    assert not story.predicted_again["changed"]
    assert story.predicted_again["image"] == story.again["image"]


def test_a_killed_run_left_nothing_to_see(story: Story) -> None:
    assert story.visible_after_kill == []


def test_two_runs_at_once_built_one_image(site: Site, story: Story) -> None:
    assert sorted(result["changed"] for result in story.built) == [False, True]
    assert story.built[0]["image"] == story.built[1]["image"]
    assert len(site.visible()) == 4
    assert os.listdir(site.directory / "store" / "layers") == []


def test_the_next_run_launches_nothing(story: Story) -> None:
    assert not story.again["changed"]
    assert list(story.again["stages"]) == ["plan"]
    assert story.again["packages_added"] == {"goldsmith-hello": "1.0", "goldsmith-hello-common": "1.0"}
    assert not any(step["changed"] for step in story.again["steps"])


def test_the_image_and_its_record(site: Site, story: Story) -> None:
    image = Path(story.again["image"]["path"])
    assert stat.S_IMODE(image.stat().st_mode) == 0o444
    assert os.readlink(story.again["image"]["current"]) == image.name
    assert story.again["image"]["digest"] == hash_file(str(image))
    record = json.loads(Path(story.again["record"]).read_text())
    assert record["base"]["digest"] == f"sha256:{site.base.sha256}"
    assert record["base"]["product"] == "test:server"
    assert record["image"]["digest"] == story.again["image"]["digest"]
    assert set(record["versions"]) == {"virt-customize", "qemu-img"}
    assert record["packages"]["added"] == story.again["packages_added"]
    assert record["os_release"]["ID"] == "debian"
    assert "3 (packages)" in record["seconds"]
    assert len(record["recipe"]["steps"]) == len(site.steps)
    assert HASH not in json.dumps(record)


@pytest.fixture(name="root", scope="module")
def fixture_root(story: Story) -> Iterator[Path]:
    with mounted(story.again["image"]["path"]) as root:
        yield root


def test_files_that_were_put_in(site: Site, root: Path) -> None:
    local = root / "opt" / "local file"
    assert local.read_bytes() == (site.directory / "local file").read_bytes()
    assert (stat.S_IMODE(local.stat().st_mode), local.stat().st_uid, local.stat().st_gid) == (0o640, 1, 4)
    assert (root / "opt/vaulted").read_text() == "from the vault\n"
    assert (root / "opt/remote").read_text() == "of the target\n"
    assert (root / "etc/odd").read_text() == ODD
    assert (root / "opt/greeting").read_text() == "hello from the test repository\n/opt\n"


def test_packages_leave_no_lists_behind(root: Path) -> None:
    assert (root / "usr/bin/goldsmith-hello").exists()
    assert not list((root / "var/lib/apt/lists").glob("*_Packages*"))
    assert not list((root / "var/cache/apt/archives").glob("*.deb"))


def test_users(root: Path) -> None:
    passwd = dict(line.split(":", 1) for line in (root / "etc/passwd").read_text().splitlines())
    shadow = dict(line.split(":", 1) for line in (root / "etc/shadow").read_text().splitlines())
    assert passwd["ops"] == "x:1000:1000:O'Ps:/home/ops:/bin/bash"
    assert passwd["app"].startswith("x:901:901:")
    assert passwd["app"].endswith(":/usr/sbin/nologin")
    assert shadow["ops"].startswith(f"{HASH}:")
    assert "\nadm:x:4:ops\n" in (root / "etc/group").read_text()
    sudoers = root / "etc/sudoers.d/90-goldsmith-ops"
    assert sudoers.read_text() == "ops ALL=(ALL:ALL) NOPASSWD:ALL\n"
    assert stat.S_IMODE(sudoers.stat().st_mode) == 0o440
    keys = root / "home/ops/.ssh/authorized_keys"
    assert keys.read_text() == f"{KEY}\n"
    assert (stat.S_IMODE(keys.stat().st_mode), keys.stat().st_uid) == (0o600, 1000)
    assert stat.S_IMODE(keys.parent.stat().st_mode) == 0o700
    assert KEY in (root / "root/.ssh/authorized_keys").read_text()


def test_system_settings(root: Path) -> None:
    assert (root / "etc/hostname").read_text() == "golden\n"
    assert os.readlink(root / "etc/localtime").endswith("/usr/share/zoneinfo/Europe/Oslo")
    units = root / "etc/systemd/system"
    assert (units / "multi-user.target.wants/marker.service").is_symlink()
    assert (units / "ssh.service.d/10-t.conf").read_text() == "[Service]\nRestart=always\n"
    assert not (units / "timers.target.wants/goldsmith-hello.timer").is_symlink()
    for unit in ("unattended-upgrades.service", "apt-daily.timer", "apt-daily-upgrade.timer"):
        assert os.readlink(units / unit) == "/dev/null"
    assert 'APT::Periodic::Enable "0";' in (root / "etc/apt/apt.conf.d/99-no-unattended-upgrades").read_text()


def test_the_record_in_the_image(root: Path, story: Story) -> None:
    path = root / "usr/share/goldsmith/build-record.json"
    inside = json.loads(path.read_text())
    outside = json.loads(Path(story.again["record"]).read_text())
    assert inside["fingerprint"] == outside["fingerprint"]
    assert inside["recipe"] == outside["recipe"]
    assert "image" not in inside
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_the_image_is_ready_to_clone(root: Path) -> None:
    assert (root / "etc/machine-id").read_bytes() == b""
    assert not (root / "var/lib/systemd/random-seed").exists()
    assert not list((root / "etc/ssh").glob("ssh_host_*"))


def test_in_the_background(site: Site, story: Story) -> None:
    vault = f"--vault-password-file={site.vault_file}"
    # Named, because Ansible looks for it by $HOME here and by the passwd file there.
    async_dir = f"--extra-vars=ansible_async_dir={site.directory / 'async'}"
    (result,) = run_tasks([{MODULE: site.options(), "async": 60, "poll": 1}], vault, async_dir)
    assert not result["changed"]
    assert result["image"] == story.again["image"]


def test_what_would_change_is_shown(site: Site, story: Story) -> None:
    before = site.visible()
    steps = [{**step, "hostname": {"name": "other"}} if "hostname" in step else step for step in site.steps]
    result = site.run("--check", "--diff", steps=steps)
    assert result["changed"]
    assert [step["step"] for step in result["steps"] if step["changed"]] == ["hostname"]
    assert result["image"]["path"] != story.again["image"]["path"]
    assert result["diff"]["before"]["current"] == Path(story.again["image"]["path"]).name
    assert site.visible() == before


def test_a_failed_update_of_package_lists_stops_the_build(site: Site, story: Story) -> None:
    before = site.visible()
    source = f"deb [trusted=yes] http://{LOOPBACK_IN_APPLIANCE}:9/apt stable main\n"
    steps = [
        {"write": {"dest": "/etc/apt/sources.list.d/t.list", "content": source}},
        {"packages": {"install": ["goldsmith-hello"]}},
    ]
    result = site.run(steps=steps)
    assert result["failed"]
    assert "step 2 (packages) failed" in result["msg"]
    assert "apt-get update failed: packages would come from an old list, or none" in result["msg"]
    assert site.visible() == before
    assert os.listdir(site.directory / "store" / "layers") == []


def test_an_image_without_an_operating_system(site: Site) -> None:
    blank = site.directory / "blank.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", blank, "1G"], check=True)
    result = site.run(name="blank", base={"path": str(blank)}, steps=[{"run_command": {"command": "true"}}])
    assert result["failed"]
    assert "no operating system" in result["msg"]
    assert not [name for name in site.visible() if name.startswith("blank")]


WRONG: list[tuple[dict[str, t.Any], str]] = [
    ({"user": {"nmae": "ops"}}, "steps[0].user.nmae (step 1) is not an option of this step; name is"),
    ({"upload": {"src": "absent.bin", "dest": "/opt/"}}, "src of step 1 (upload) was not found on the controller"),
    ({"upload": {"src": "/etc", "dest": "/opt/"}}, "src of step 1 (upload) is a directory: /etc"),
    ({"upload": {"src": "/absent", "remote_src": True, "dest": "/opt/"}}, "is no file of this host: /absent"),
]


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_what_is_wrong_is_said_before_anything_is_done(site: Site, options: tuple[str, ...]) -> None:
    tasks = [{MODULE: site.options("wrong", steps=[step])} for step, dummy in WRONG]
    results = run_tasks(tasks, *options, ignore_errors=True)
    for result, (dummy, said) in zip(results, WRONG):
        assert result["failed"]
        assert said in result["msg"]
        assert result["msg"].count(said) == 1
    assert not [name for name in site.visible() if name.startswith("wrong")]


def test_check_mode_where_the_tools_are_not_installed(site: Site, tmp_path: Path) -> None:
    for program in Path("/usr/bin").iterdir():
        if not program.name.startswith(("virt-", "qemu-")):
            (tmp_path / program.name).symlink_to(program)
    bare = {"PATH": str(tmp_path)}
    result = site.run("--check", environ=bare, name="bare", steps=[{"hostname": {"name": "a"}}])
    assert result["changed"]
    assert any("virt-customize" in warning for warning in result["warnings"])
