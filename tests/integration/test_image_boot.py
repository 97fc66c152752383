# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_boot with real guests. A boot to cloud-init's end takes one to two minutes here, so there are two of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot import evidence, ssh
from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .examples import ROOT, blocks
from .mounted import mounted
from .plays import Result, run_plays, run_tasks

pytestmark = pytest.mark.slow

MODULE = "goldsmith.kvm.image_boot"
SECONDS = 1200
"""For a boot on a busy machine."""


def base() -> Path:
    return next(image.path for image in reversed(base_image.ensure()) if image.lineage == "server")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def processes(directory: str | Path) -> list[str]:
    """What runs with something in this directory among its arguments."""
    found = subprocess.run(
        ["pgrep", "--list-full", "--full", "--", str(directory)], capture_output=True, text=True, check=False
    )
    return found.stdout.splitlines()


def boot_image(*options: str, **arguments: t.Any) -> Result:
    """What the module returns, also when it fails."""
    (result,) = run_tasks([{MODULE: arguments}], *options, ignore_errors=True)
    return result


class Kept:
    """A guest that was kept running."""

    def __init__(self, directory: Path) -> None:
        self.image = directory / "noble.qcow2"
        self.image.symlink_to(base())
        self.store = directory / "the store"
        self.console_log = directory / "console.txt"
        self.before = sha256(self.image)
        self.arguments: dict[str, t.Any] = {
            "image": str(self.image),
            "keep_running": True,
            "store": str(self.store),
            "accel": "tcg",
            "timeout": SECONDS,
            "disk_size": "8G",
            # Each of these words stands somewhere in the result, too.
            "user_data": {
                "write_files": [{"path": "/etc/wish", "content": "hunter2-of-the-seed\n"}],
                "users": ["default", {"name": "noble"}],
                "swap": {"size": 0},
                "runcmd": [["true", "-t"]],
            },
            "console_log": str(self.console_log),
        }
        self.foreseen = boot_image("--check", **self.arguments)
        self.result = boot_image(**self.arguments)

    def run(self, *options: str, **changed: t.Any) -> Result:
        return boot_image(*options, **{**self.arguments, **changed})

    def ssh(self, command: str) -> str:
        guest = self.result["guest"]
        argv = [
            "ssh",
            *shlex.split(guest["ssh_common_args"]),
            "-i",
            guest["private_key_file"],
            "-p",
            str(guest["port"]),
        ]
        argv += [f"{guest['user']}@{guest['host']}", "--", command]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout


@pytest.fixture(name="kept", scope="module")
def fixture_kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    kept = Kept(tmp_path_factory.mktemp("kept"))
    yield kept
    boot_image(name="noble", state="absent", store=str(kept.store))


def test_check_mode_foresaw_it(kept: Kept) -> None:
    assert not kept.result.get("failed"), kept.result
    assert kept.foreseen["changed"] and kept.result["changed"]
    assert kept.foreseen["guest"] is None
    assert kept.foreseen["image"] == kept.result["image"] == str(base())


def test_the_evidence(kept: Kept) -> None:
    boot = kept.result["boot"]
    assert (boot["firmware"], boot["accel"], boot["user"]) == ("bios", "tcg", "ubuntu")
    assert boot["cloud_init"] == {
        "status": "done",
        "stage": None,
        "datasource": "NoCloud",
        "errors": [],
        "recoverable_errors": [],
    }
    assert (boot["failed_units"], boot["unfinished_jobs"]) == ([], [])
    assert boot["ordering_cycles"] == []
    seconds = boot["seconds"]
    assert seconds["initrd"] is None
    parts = [seconds[name] for name in ("firmware", "loader", "kernel", "userspace")]
    assert all(part > 0 for part in parts)
    assert sum(parts) == pytest.approx(seconds["total"], abs=0.01)
    # Debian's kernel writes to the serial console a second or two after its start, at the latest.
    assert seconds["firmware"] + seconds["loader"] < seconds["total"] / 2


def test_what_the_guest_says_of_itself_is_true(kept: Kept) -> None:
    boot = kept.result["boot"]
    asked = (
        "uname -r; cat /etc/machine-id; hostname -I | cut -d ' ' -f 1; df -B1 --output=size /; cat /etc/wish; nproc; "
        "cloud-init status | cut -d ' ' -f 2; systemctl show --property UserspaceTimestampMonotonic --value"
    )
    kernel, machine_id, address, dummy, size, wish, cpus, status, userspace = kept.ssh(asked).split()
    assert (boot["kernel"], boot["machine_id"], boot["address"]) == (kernel, machine_id, address)
    assert boot["disk"]["size"] == int(size) > 7 * 10**9
    assert 0 < boot["disk"]["free"] < int(size)
    assert (wish, cpus, status) == ("hunter2-of-the-seed", "2", boot["cloud_init"]["status"])
    assert boot["seconds"]["kernel"] == pytest.approx(int(userspace) / 1e6, abs=0.01)
    # Such as: Startup finished in 10.014s (kernel) + 1min 30.292s (userspace) = 1min 40.307s
    analysed = kept.ssh("systemd-analyze time").partition("Startup finished in ")[2].partition("=")[0]
    for part in ("kernel", "userspace"):
        found = re.search(rf"(?:(\d+)min )?([0-9.]+)(m?)s \({part}\)", analysed)
        assert found is not None, analysed
        seconds = int(found[1] or 0) * 60 + float(found[2]) / (1000 if found[3] else 1)
        assert boot["seconds"][part] == pytest.approx(seconds, abs=0.1)
    said = kept.ssh("for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done")
    assert sorted(key["fingerprint"] for key in boot["ssh_host_keys"]) == sorted(re.findall(r"SHA256:\S+", said))


def test_the_guest_has_no_network_but_its_own(kept: Kept) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        tried = kept.ssh(f"timeout 5 bash -c 'exec 3<>/dev/tcp/10.0.2.2/{port}' 2>&1 || echo refused")
    assert "refused" in tried
    guest = kept.result["guest"]
    listeners = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[3] for line in listeners if line.split()[3].endswith(f":{guest['port']}")] == [
        f"127.0.0.1:{guest['port']}"
    ]


def test_no_secret_is_an_argument_or_in_a_file_for_others(kept: Kept) -> None:
    guest = kept.result["guest"]
    running = processes(guest["directory"])
    assert any("qemu-system" in line for line in running)
    assert "hunter2" not in "".join(running) + json.dumps(kept.result)
    told = kept.result["invocation"]["module_args"]
    assert told["user_data"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    assert (told["network_config"], told["disk_size"]) == (None, "8G")


def test_the_words_of_the_seed_are_left_in_the_result(kept: Kept) -> None:
    guest = kept.result["guest"]
    assert (guest["name"], guest["user"], guest["host"]) == ("noble", "ubuntu", "127.0.0.1")
    assert guest["private_key_file"] == f"{guest['directory']}/id_ed25519"
    assert guest["directory"].startswith(f"{kept.store}/boots/boot-")
    assert isinstance(guest["port"], int)
    assert os.stat(guest["directory"]).st_mode & 0o077 == 0
    assert os.stat(kept.console_log).st_mode & 0o077 == 0
    state = next(path for path in (kept.store / "boots").iterdir() if path.suffix == ".json")
    assert "hunter2" not in state.read_text()


def test_the_console_is_kept_as_text(kept: Kept) -> None:
    text = kept.console_log.read_text()
    assert "SeaBIOS" in text and "Linux version" in text and "Cloud-init v." in text
    assert "\x1b" not in text


def test_a_second_run_changes_nothing(kept: Kept) -> None:
    for again in (kept.run(), kept.run("--check"), kept.run(console_log=None)):
        assert not again["changed"]
        assert (again["boot"], again["guest"]) == (kept.result["boot"], kept.result["guest"])


def test_other_options_would_replace_it(kept: Kept) -> None:
    other = kept.run("--check", cpus=1)
    assert other["changed"] and other["guest"] is None
    assert kept.ssh("true") == ""


def test_other_boots_leave_it_alone(kept: Kept, tmp_path: Path) -> None:
    """Each boot deletes what was abandoned in the store."""
    blank = tmp_path / "blank.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", blank, "16M"], check=True)
    failed = boot_image(image=str(blank), store=str(kept.store), accel="tcg", name="noble")
    assert failed["stage"] == "firmware"
    assert kept.ssh("echo here") == "here\n"


def test_a_play_goes_on_inside(kept: Kept, tmp_path: Path) -> None:
    """As a host of its own, by what was returned; and as the guide does it. The store's name has a blank in it."""
    guest = kept.result["guest"]
    assert " " in guest["known_hosts_file"]
    names = {
        "ansible_host": "host",
        "ansible_port": "port",
        "ansible_user": "user",
        "ansible_ssh_private_key_file": "private_key_file",
        "ansible_ssh_common_args": "ssh_common_args",
    }
    directly = {variable: guest[name] for variable, name in names.items()} | {"ansible_ssh_timeout": 120}
    guide = next(text for text in blocks(ROOT / "docs" / "boot.md", "yaml") if "add_host" in text)
    as_the_guide = next(task for task in yaml.safe_load(guide)[0]["tasks"] if task["name"] == "Meet it")
    meet = [{"ansible.builtin.add_host": {"name": "noble", "groups": "booted", **directly}}, as_the_guide]
    ask = {"ansible.builtin.command": "cat /etc/machine-id"}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    plays = [
        {**play, "vars": {"booted": kept.result}, "tasks": meet},
        {
            "hosts": "booted",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": "/usr/bin/python3"},
            "tasks": [ask],
        },
    ]
    told = run_plays(plays, directory=tmp_path).results[-2:]
    assert [result["stdout"] for result in told] == [kept.result["boot"]["machine_id"]] * 2


def test_only_this_guest_with_this_key_is_let_in(kept: Kept, tmp_path: Path) -> None:
    guest, boot, host = kept.result["guest"], kept.result["boot"], LocalHost(str(tmp_path))
    own = ssh.Credentials(guest["directory"])

    def refusal(credentials: ssh.Credentials, machine_id: str = boot["machine_id"]) -> str:
        return ssh.refusal(host, credentials, guest["port"], guest["user"], machine_id, 120)

    assert refusal(own) == ""
    assert refusal(own, "0" * 32) == f"another guest answered, with the machine-id {boot['machine_id']}"
    other = ssh.Credentials(str(tmp_path))
    public = ssh.make_key(host, other.key_file)
    shutil.copyfile(own.known_hosts, other.known_hosts)
    assert "Permission denied" in refusal(other)
    shutil.copyfile(own.key_file, other.key_file)
    host_key = evidence.host_key(public)
    assert host_key is not None
    ssh.write_known_hosts(other.known_hosts, guest["port"], [host_key])
    assert refusal(other) == "Host key verification failed."


def test_zz_it_ends(kept: Kept) -> None:
    directory, port = kept.result["guest"]["directory"], kept.result["guest"]["port"]
    ending = {"name": "noble", "state": "absent", "store": str(kept.store)}
    foreseen = boot_image("--check", **ending)
    assert foreseen["changed"] and os.path.isdir(directory)
    first, second = run_tasks([{MODULE: ending}, {MODULE: ending}], "--diff")
    assert first["changed"] and not second["changed"]
    assert first["diff"] == {"before": {"guest": "running"}, "after": {"guest": "absent"}}
    assert processes(directory) == []
    assert os.listdir(kept.store / "boots") == []
    with socket.create_server(("127.0.0.1", port)):
        pass
    assert sha256(kept.image) == kept.before


NOT_YAML = "#cloud-config\nruncmd: [echo hello\nbad: : yaml\n"
# What a template becomes is only known in the guest.
NOT_YAML_IN_THE_GUEST = f"## template: jinja\n{NOT_YAML}"
NOBODY_S_CARD = {
    "version": 2,
    "ethernets": {"nic": {"match": {"macaddress": "52:54:00:00:00:01"}, "dhcp4": True, "optional": True}},
}
# Each is to start after the other: systemd leaves one of them out, and calls neither failed.
CIRCULAR = """\
[Unit]
After=circular-{other}.service
[Service]
Type=oneshot
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target
"""
BROKEN = """\
[Unit]
Description=Broken
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo the licence is missing; exit 3'
[Install]
WantedBy=multi-user.target
"""


def test_all_that_can_go_wrong_is_told_without_sshd_and_network(tmp_path: Path) -> None:
    """By UEFI: a failed unit, an ordering cycle, errors of cloud-init, no sshd, broken user data, no network."""
    image = tmp_path / "faulty.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base(), image], check=True)
    with mounted(image, writable=True) as root:
        (root / "usr/sbin/sshd").unlink()
        units = root / "etc/systemd/system"
        (units / "ssh.service").symlink_to("/dev/null")
        (units / "broken.service").write_text(BROKEN)
        (units / "multi-user.target.wants").mkdir(exist_ok=True)
        (units / "multi-user.target.wants/broken.service").symlink_to("/etc/systemd/system/broken.service")
        for name, other in (("a", "b"), ("b", "a")):
            unit = f"circular-{name}.service"
            (units / unit).write_text(CIRCULAR.format(other=other))
            (units / "multi-user.target.wants" / unit).symlink_to(f"/etc/systemd/system/{unit}")
        (root / "etc/cloud/cloud.cfg.d/99-wrong.cfg").write_text("timezone: Mars/Olympus\n")
    whole = tmp_path / "whole.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", image, whole], check=True)
    before = sha256(whole)
    failed = boot_image(
        image=str(whole),
        name="faulty",
        keep_running=True,
        firmware="uefi",
        store=str(tmp_path / "store"),
        accel="tcg",
        timeout=SECONDS,
        user_data=NOT_YAML_IN_THE_GUEST,
        network_config=NOBODY_S_CARD,
        console_log=str(tmp_path / "console.txt"),
    )
    assert failed["failed"] and failed.get("stage") == "cloud_init", failed["msg"]
    for part in (
        f"{whole} booted, but cloud-init ended with errors: ",
        "Mars/Olympus",
        "cloud-init did not understand its configuration and went on without it: Failed loading",
        "broken.service (the licence is missing)",
        "to break an ordering cycle of circular-",
        "no network interface got an address",
    ):
        assert part in failed["msg"], failed["msg"]
    boot = failed["boot"]
    assert (boot["firmware"], boot["user"], boot["address"]) == ("uefi", None, None)
    assert {"name": "broken.service", "line": "the licence is missing"} in boot["failed_units"]
    (cycle,) = boot["ordering_cycles"]
    assert set(cycle["units"]) == {"circular-a.service", "circular-b.service"}
    assert cycle["skipped"] in cycle["units"]
    assert (boot["cloud_init"]["status"], boot["cloud_init"]["datasource"]) == ("error", "NoCloud")
    assert "Mars" in " ".join(boot["cloud_init"]["errors"])
    assert boot["seconds"]["firmware"] > 0
    assert any("finished at" in line and "DataSourceNoCloud" in line for line in failed["console"])
    assert "BdsDxe: starting" in (tmp_path / "console.txt").read_text()
    assert os.listdir(tmp_path / "store" / "boots") == []
    assert processes(tmp_path / "store") == []
    assert sha256(whole) == before
