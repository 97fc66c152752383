# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role build_host on copies of this machine that lack what builds need, and on this machine as a normal user."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from .examples import ROOT
from .plays import Played, run_plays
from .spare_host import spare_host

ROLE = ROOT / "roles" / "build_host"
# A user, and a host as Ubuntu has it: its kernels are for root alone. One tool is missing.
PREPARE = """
useradd --root "$PWD" builder
chmod 0600 boot/vmlinuz-*
chroot . dpkg --purge --force-depends zstd >/dev/null 2>&1
"""
CHANGES = [
    "Install the tools that are missing",
    "Make the kernels readable",
    "Keep them readable",
    "Make kernels readable that come later",
    "Add the user to the group",
    "Make the directories",
]
HOOK = "/etc/kernel/{}.d/goldsmith-readable-kernel"
BECOME = {"ansible_become_method": "ansible.builtin.su", "ansible_become_flags": "-s /bin/sh"}
ROLE_TASK = {"ansible.builtin.include_role": {"name": "goldsmith.kvm.build_host"}}
NOBODY = {"become": True, "become_user": "nobody"}


def play(*tasks: dict[str, t.Any], role: bool = True, **more: t.Any) -> dict[str, t.Any]:
    """A play of the role, and then of tasks."""
    variables = {
        "ansible_python_interpreter": "/usr/bin/python3",
        **BECOME,
        "build_host_store": "/srv/goldsmith/store",
        "build_host_dest_dirs": ["/srv/goldsmith/golden"],
        "build_host_min_free": "1G",
    }
    return {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "roles": ["goldsmith.kvm.build_host"] if role else [],
        "tasks": list(tasks),
        **more,
        "vars": {**variables, **more.get("vars", {})},
    }


def command(name: str, line: str) -> dict[str, t.Any]:
    return {"name": name, "ansible.builtin.shell": line, "changed_when": False, "check_mode": False}


def changed(played: Played) -> list[str]:
    return [name.removeprefix("goldsmith.kvm.build_host : ") for name in played.changed]


def refused(*plays: dict[str, t.Any], options: tuple[str, ...] = (), **more: t.Any) -> str:
    """What plays say that fail, in one line."""
    with pytest.raises(AssertionError) as caught:
        run_plays(plays, *options, **more)
    return re.sub(r"\s+", " ", str(caught.value))


@pytest.fixture(name="directory")
def fixture_directory() -> Iterator[Path]:
    """A directory that every user may enter."""
    directory = Path(tempfile.mkdtemp(prefix="build-host-", dir="/var/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def test_the_role_s_options_and_its_defaults_agree() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    assert {name: spec["default"] for name, spec in specs["main"]["options"].items()} == defaults
    verify = (ROLE / "tasks" / "verify.yml").read_text()
    assert set(specs["verify"]["options"]) == set(re.findall(r"\bbuild_host_(?!report|info)\w+", verify))


def test_every_tag_and_variable_of_the_guide_is_there() -> None:
    guide = (ROOT / "docs" / "build_hosts.md").read_text()
    named = set(re.findall(r"\b(build_host_\w+)\b", guide)) - {"build_host_info"}
    tags = set(
        re.findall(r"\bbuild_host_\w+", " ".join(re.findall(r"tags: \[(.*)\]", (ROLE / "tasks/main.yml").read_text())))
    )
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    assert tags <= named
    assert named <= tags | set(defaults)


def test_a_host_is_made_ready_for_a_normal_user(directory: Path) -> None:
    new, image = "9.9.9-test", "/boot/vmlinuz-9.9.9-test"
    looks = [
        command("modes", "stat -c '%a %n' /boot/vmlinuz-*"),
        command("overrides", "dpkg-statoverride --list '/boot/*'"),
        command("groups", "id -nG builder"),
        command("owners", "stat -c '%U %G' /srv/goldsmith/store /srv/goldsmith/golden"),
        command("new kernel", f"umask 077; : > {image}; {HOOK.format('postinst')} {new} {image}; stat -c %a {image}"),
        command("again", f"{HOOK.format('postinst')} {new} {image}; dpkg-statoverride --list {image}"),
        command("still there", f"{HOOK.format('postrm')} {new} {image}; dpkg-statoverride --list {image}"),
        command("gone", f"rm {image}; {HOOK.format('postrm')} {new}; ! dpkg-statoverride --list {image}"),
    ]
    user = {"vars": {"build_host_user": "builder"}}
    played = run_plays([play(**user), play(*looks, **user)], ansible_playbook=spare_host(directory, PREPARE))
    assert changed(played) == CHANGES
    said = {look["name"]: played.of(look["name"])["stdout"] for look in looks}
    kernels = sorted(str(path) for path in Path("/boot").glob("vmlinuz-*"))
    assert said["modes"].splitlines() == [f"644 {kernel}" for kernel in kernels]
    assert sorted(said["overrides"].splitlines()) == [f"root root 644 {kernel}" for kernel in kernels]
    assert said["groups"].split() == ["builder", "kvm"]
    assert said["owners"].splitlines() == ["builder builder"] * 2
    assert said["new kernel"] == "644"
    assert said["again"] == said["still there"] == f"root root 644 {image}"
    assert said["gone"] == ""
    report = played.of("goldsmith.kvm.build_host : Keep the report")["ansible_facts"]["build_host_report"]
    assert (report["user"], report["ready"], report["problems"]) == ("builder", True, [])
    assert "may not use it" not in report["accel_reason"]
    assert f"kernel       {report['kernel']['path']}" in played.output


def test_check_mode_tells_what_would_change_and_changes_nothing(directory: Path) -> None:
    looks = [
        command("modes", "stat -c %a /boot/vmlinuz-*"),
        command("groups", "id -nG builder"),
        command("made", "ls -d /srv/goldsmith /etc/kernel/post*.d/goldsmith* 2>/dev/null || true"),
    ]
    spare = spare_host(directory, PREPARE)
    played = run_plays([play(*looks, vars={"build_host_user": "builder"})], "--check", ansible_playbook=spare)
    assert changed(played) == [
        "Say what would be installed",
        "Make the kernels readable",
        "Make kernels readable that come later",
        "Add the user to the group",
        "Make the directories",
    ]
    assert "Would install: zstd" in played.output
    assert set(played.of("modes")["stdout"].split()) == {"600"}
    assert (played.of("groups")["stdout"], played.of("made")["stdout"]) == ("builder", "")
    assert "builds by    builder, not ready" in played.output


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["run", "check"])
@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (
            "chroot . dpkg --purge --force-depends zstd >/dev/null 2>&1",
            "zstd: not installed, and only root may install",
        ),
        ("chmod 0600 boot/vmlinuz-*", "only root may read that, and make it readable for nobody. Use become once"),
    ],
    ids=["package", "kernel"],
)
def test_what_only_root_may_change(directory: Path, prepare: str, expected: str, options: tuple[str, ...]) -> None:
    spare = spare_host(directory, prepare)
    assert expected in refused(play(ROLE_TASK, role=False, **NOBODY), options=options, ansible_playbook=spare)


def test_a_normal_user_on_this_machine(directory: Path) -> None:
    """Nothing that only root may change is missing here: the user's own directories are made without root."""
    shutil.chown(directory, "nobody")
    own = {
        "build_host_store": str(directory / "store"),
        "build_host_dest_dirs": [str(directory / "golden")],
        "build_host_kvm_group": False,
    }
    if any(os.stat(kernel).st_mode & 0o4 == 0 for kernel in Path("/boot").glob("vmlinuz-*")):
        pytest.skip("the kernels of this machine are for root alone")
    once = play(ROLE_TASK, role=False, vars=own, **NOBODY)
    played = run_plays([once, once])
    assert changed(played) == ["Make the directories"]
    assert "builds by    nobody, ready" in played.output
    assert (directory / "store").owner() == "nobody"


def test_verify_alone_names_every_problem(directory: Path) -> None:
    variables = {"build_host_store": "/etc/passwd/store", "build_host_min_free": "900T"}
    role = {"ansible.builtin.include_role": {"name": "goldsmith.kvm.build_host", "tasks_from": "verify"}}
    said = refused(play(role, role=False, vars={**variables, "build_host_dest_dirs": [str(directory)]}))
    assert "This host is not ready to build." in said.replace("\\n", " ")
    assert "/etc/passwd is not a directory. Move it away, or choose another directory." in said
    assert re.search(rf"GiB are free on the file system of {directory}, and 900 TiB are wanted\. Free some space", said)


def test_a_user_that_does_not_exist() -> None:
    said = refused(play(vars={"build_host_user": "no-such-user"}))
    assert "build_host_user is no-such-user, and this host has no such user. Make the user first" in said


@pytest.mark.parametrize(
    ("identity", "version", "missing"),
    [
        ("ubuntu", "24.04", "dhcpcd-base, linux-image-virtual"),
        ("ubuntu", "22.04", "linux-image-virtual"),
        ("debian", "13", "dhcpcd-base, linux-image-cloud-amd64"),
        ("debian", "12", "linux-image-cloud-amd64"),
    ],
)
def test_packages_of_each_distribution(directory: Path, identity: str, version: str, missing: str) -> None:
    release = f'ID={identity}\nNAME="{identity.title()}"\nVERSION_ID="{version}"\nVERSION="{version}"\n'
    (directory / "os-release").write_text(release)
    prepare = f"rm -f boot/vmlinuz-* etc/os-release etc/debian_version; cp {directory}/os-release etc/os-release"
    prepare += f"; echo {version} > etc/debian_version; chroot . dpkg --purge linux-image-cloud-amd64 >/dev/null 2>&1"
    spare = spare_host(directory, prepare)
    played = run_plays([play()], "--check", "--tags", "build_host_install", ansible_playbook=spare)
    if os.uname().machine != "x86_64":
        missing = missing.replace("-amd64", "")
    assert f'"msg": "Would install: {missing}' in played.output


def test_a_distribution_that_is_not_known(directory: Path) -> None:
    (directory / "os-release").write_text('ID=ubuntu\nNAME="Ubuntu"\nVERSION_ID="20.04"\nVERSION="20.04"\n')
    spare = spare_host(directory, f"rm -f etc/os-release; cp {directory}/os-release etc/os-release")
    said = refused(play(), ansible_playbook=spare)
    assert "This host is Ubuntu 20.04. The role knows the packages of Debian 12 and 13 and of Ubuntu 22.04" in said


def test_passt_is_removed_unless_something_needs_it(directory: Path) -> None:
    fetched = subprocess.run(["apt-get", "download", "passt"], cwd=directory, capture_output=True, check=False)
    if fetched.returncode:
        pytest.skip("apt-get download passt failed")
    needy = directory / "needy"
    (needy / "DEBIAN").mkdir(parents=True)
    (needy / "DEBIAN" / "control").write_text(
        "Package: needy\nVersion: 1\nArchitecture: all\nMaintainer: T <t@example.com>\nDepends: passt\nDescription: t\n"
    )
    subprocess.run(["dpkg-deb", "--build", needy, directory / "needy.deb"], check=True, capture_output=True)
    prepare = f'cp {directory}/*.deb mnt; chroot . sh -c "dpkg -i /mnt/*.deb" >/dev/null 2>&1'
    refused_first = {"block": [ROLE_TASK], "rescue": [command("needy", "dpkg --purge needy")]}
    variables = {"build_host_remove_passt": True}
    spare = spare_host(directory / "host", prepare)
    played = run_plays([play(refused_first, ROLE_TASK, ROLE_TASK, role=False, vars=variables)], ansible_playbook=spare)
    assert "build_host_remove_passt: apt would also remove needy. Leave passt installed" in played.output
    assert changed(played) == ["Remove the package passt", "Make the directories"]
