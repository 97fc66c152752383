# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""build_host_info with the real tools: as root, as a normal user, without the tools, with passt, with a launch."""

from __future__ import annotations

import glob
import multiprocessing
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import accel, passt
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.environment import launch_environ
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .plays import NOBODY, Result, run_module, run_plays, run_tasks
from .spare_host import spare_host

MODULE = "goldsmith.kvm.build_host_info"


def problems(result: Result) -> str:
    assert not result.get("failed"), result
    assert result["ready"] == (result["problems"] == [])
    return "\n".join(f"{each['problem']}. {each['way_out']}." for each in result["problems"])


def as_nobody(function: Callable[..., t.Any], *arguments: t.Any) -> t.Any:
    """What a function returns in a process without rights."""
    user = pwd.getpwnam("nobody")

    def work(sender: t.Any) -> None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        sender.send(function(*arguments))

    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=work, args=(sender,))
    process.start()
    sender.close()
    answer = receiver.recv()
    process.join()
    return answer


@pytest.fixture(name="open_directory")
def fixture_open_directory() -> Iterator[Path]:
    """A directory of nobody's, which every user may enter."""
    directory = Path(tempfile.mkdtemp(prefix="build-host-info-", dir="/var/tmp"))
    directory.chmod(0o755)
    shutil.chown(directory, "nobody")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(name="passt_program")
def fixture_passt_program(open_directory: Path) -> Path:
    """The program passt, which is not installed for that."""
    commands: list[list[str]] = [["apt-get", "download", "passt"], ["sh", "-c", "dpkg -x passt_*.deb ."]]
    for argv in commands:
        if subprocess.run(argv, cwd=open_directory, capture_output=True, check=False).returncode:
            pytest.skip("apt-get download passt failed")
    return open_directory / "usr/bin/passt"


def test_root_on_this_machine(tmp_path: Path, host: LocalHost) -> None:
    arguments = {"store": str(tmp_path / "store"), "dest_dirs": [str(tmp_path)], "min_free": "1M"}
    found = run_module(MODULE, **arguments)
    assert problems(found) == ""
    assert not found["changed"]
    for tool, version in found["tools"].items():
        done = subprocess.run(
            [tool, "-V" if tool in ("debugfs", "ssh") else "--version"], capture_output=True, text=True, check=True
        )
        assert version and version in done.stdout + done.stderr
    kvm = accel.probe(host)
    assert found["accel"] == ("kvm" if kvm.works else "tcg")
    assert (
        found["accel_reason"].partition(" (")[0] == (kvm.reason or "a guest started with /dev/kvm").partition(" (")[0]
    )
    assert os.path.isfile(found["kernel"]["path"])
    assert os.path.isfile(os.path.join(found["kernel"]["modules"], "modules.dep"))
    assert found["network"]["backend"] == "slirp"
    assert found["network"]["dhcp_clients"]
    assert [(each["purpose"], each["path"], each["exists"]) for each in found["directories"]][:2] == [
        ("store", arguments["store"], False),
        ("destination", str(tmp_path), True),
    ]
    assert found["launch_seconds"] is None
    assert not (tmp_path / "store").exists()
    checked = run_module(MODULE, "--check", **arguments)
    assert checked == found | {"directories": checked["directories"]}


def test_the_kernel_is_the_one_that_the_appliance_gets(tmp_path: Path) -> None:
    """What libguestfs itself keeps of its last launch, where there was one."""
    kept = Path("/var/tmp/.guestfs-0/appliance.d/kernel")
    if not kept.exists():
        pytest.skip("root has launched no appliance on this machine yet")
    found = run_module(MODULE, store=str(tmp_path))
    assert Path(found["kernel"]["path"]).stat().st_size == kept.stat().st_size


def test_a_normal_user_may_not_write_to_root_s_directories(open_directory: Path) -> None:
    inner = open_directory / "store" / "locks"
    inner.mkdir(parents=True, mode=0o755)
    shutil.chown(inner.parent, "nobody")
    tasks = [{MODULE: {"store": store, "min_free": "0"}, **NOBODY} for store in ("/var/lib/x", str(inner.parent))]
    forbidden, half = run_tasks(tasks, variables={"ansible_python_interpreter": "/usr/bin/python3"})
    assert forbidden["user"] == "nobody"
    assert "nobody may not write to /var/lib. Give it to that user, as the role build_host does" in problems(forbidden)
    assert f"nobody may not write to {inner}. Give it to that user" in problems(half)


def test_a_kernel_for_root_alone(open_directory: Path) -> None:
    """supermin takes the newest, and not the one that may be read."""
    newest = sorted(glob.glob("/boot/vmlinuz-*"))[-1]
    prepare = f"chmod 0600 boot/vmlinuz-*; cp {newest} boot/vmlinuz-0.1.2-test; chmod 0644 boot/vmlinuz-0.1.2-test"
    prepare += "; cp -r lib/modules/$(ls lib/modules | tail -n 1) lib/modules/0.1.2-test"
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "/usr/bin/python3"},
        "tasks": [{MODULE: {"store": str(open_directory)}, **NOBODY}, {MODULE: {"store": str(open_directory)}}],
    }
    theirs, root_s = run_plays([play], ansible_playbook=spare_host(open_directory / "spare", prepare)).results
    assert f"libguestfs takes the newest kernel, {newest}, for its appliance, and this user may not" in problems(theirs)
    assert theirs["kernel"] is None
    assert root_s["kernel"]["path"] == newest
    assert problems(root_s) == ""


def test_a_host_without_kernels_and_dhcp(open_directory: Path) -> None:
    prepare = "rm boot/vmlinuz-*; rm -f usr/sbin/dhclient usr/sbin/dhcpcd sbin/dhclient sbin/dhcpcd"
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [{MODULE: {}}]}
    (found,) = run_plays([play], ansible_playbook=spare_host(open_directory / "spare", prepare)).results
    assert "there is no kernel in /boot that this user may read" in problems(found)
    assert "libguestfs' appliance has no DHCP client, so that no step has a network. Install the p" in problems(found)
    assert len(found["problems"]) == 2
    assert found["network"]["dhcp_clients"] == []


def test_tools_that_are_missing(tmp_path: Path) -> None:
    wanted = ("virt-customize", "supermin", "qemu-img", "gpgv", "zstd", "xorriso", "ssh")
    for program in Path("/usr/bin").iterdir():
        if program.name not in wanted and not program.name.startswith("qemu-system"):
            (tmp_path / program.name).symlink_to(program)
    found = run_module(MODULE, environ={"PATH": str(tmp_path)}, store=str(tmp_path), min_free="0")
    for program in wanted:
        assert f"the program {program} is not installed on this host. Install the package " in problems(found)
        assert found["tools"][program] is None
    # Ansible finds those of /usr/sbin, whatever PATH says.
    assert len(found["problems"]) == len(wanted) + 1 == len(found["tools"]) - 2
    assert (found["kernel"], found["network"]) == (None, None)


def test_a_tool_that_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "gpgv").write_text("#!/bin/sh\necho 'libgcrypt.so.20: cannot open shared object file' >&2\nexit 127\n")
    (tmp_path / "gpgv").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    found = run_module(MODULE, environ={"PATH": path}, store=str(tmp_path), min_free="0")
    said = f"{tmp_path}/gpgv does not run: it ended with exit status 127: libgcrypt.so.20: cannot open shared object"
    assert problems(found).startswith(said)
    assert (found["tools"]["gpgv"], found["ready"], len(found["problems"])) == (None, False, 1)


def test_a_temporary_directory_inherited_from_root(open_directory: Path) -> None:
    """become keeps TMPDIR, and supermin makes a directory there before it does anything."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as root_s:
        task = {MODULE: {"store": str(open_directory), "min_free": "0"}, "environment": {"TMPDIR": root_s}, **NOBODY}
        (found,) = run_tasks([task], variables={"ansible_python_interpreter": "/usr/bin/python3"})
    assert found["tools"]["supermin"]
    assert found["kernel"] is not None or "this user may not read it" in problems(found)


def test_kvm_that_has_to_work(tmp_path: Path, host: LocalHost) -> None:
    found = run_module(MODULE, store=str(tmp_path), accel="kvm", min_free="0", network=False)
    kvm = accel.probe(host)
    assert found["network"] is None
    assert found["ready"] == kvm.works
    if not kvm.works:
        assert "accel: kvm was asked for, but /dev/kvm" in problems(found)


def test_a_size_that_is_none(tmp_path: Path) -> None:
    found = run_module(MODULE, store=str(tmp_path), min_free="much")
    assert "min_free is 'much', which is not a size" in found["msg"]


def test_passt_started_as_libguestfs_does(passt_program: Path, open_directory: Path) -> None:
    """It runs for a normal user, and root's it ends at its pid file. None is left behind."""
    host = LocalHost(str(open_directory))
    program = str(passt_program)
    assert passt.is_runnable(host, program)
    assert as_nobody(passt.failure, host, program) == ""
    assert re.search("PID file.*: Permission denied", passt.failure(host, program))
    assert passt.failure(host, "false") == "exit status 1"
    found = subprocess.run(["pgrep", "--full", program], capture_output=True, text=True, check=False)
    assert found.stdout == ""


def test_root_s_builds_keep_passt_away(passt_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = LocalHost(str(tmp_path))
    monkeypatch.setenv("PATH", f"{passt_program.parent}:{os.environ['PATH']}")
    assert passt.is_runnable(host)
    monkeypatch.setenv("PATH", launch_environ(host, str(tmp_path), "tcg", network=True)["PATH"])
    assert not passt.is_runnable(host)


def test_a_library_that_knows_passt(tmp_path: Path, host: LocalHost) -> None:
    program = host.which("virt-customize")
    assert program
    library = passt.library(host, program)
    assert os.path.isfile(library)
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    assert passt.known_to(library) == (int(version.split(".")[1]) >= 52)
    assert passt.library(host, "/bin/sh") == ""
    assert not passt.known_to(str(tmp_path / "missing"))


@pytest.mark.slow
def test_the_appliance_starts(tmp_path: Path) -> None:
    broken, sound = (
        run_module(MODULE, environ=environ, store=str(tmp_path), min_free="0", launch=True, accel="tcg")
        for environ in ({"LIBGUESTFS_HV": "/bin/false"}, {})
    )
    assert "/bin/false exited with error status 1. See what libguestfs-test-tool says" in problems(broken)
    assert broken["launch_seconds"] is None
    assert problems(sound) == ""
    assert 0 < sound["launch_seconds"] < 300
