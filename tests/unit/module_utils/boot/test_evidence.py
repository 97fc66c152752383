# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.evidence import (
    Evidence,
    complete,
    host_key,
    read_report,
    sections,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.guest_report import script, vendor_data
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.judgement import problems
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.model import (
    BootOptions,
    CloudInit,
    Disk,
    FailedUnit,
    HostKey,
    OrderingCycle,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.qemu import MAC

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFLmOTwY/CVPzJN7+GiVlFDG8gctgxasetuuSfdgRUw3"
STAGE = {"errors": [], "finished": 1795401472.15, "start": 1795401468.52}
NAMES = ("init-local", "init", "modules-config", "modules-final")
GOOD: dict[str, t.Any] = {"datasource": "DataSourceNoCloud [seed=/dev/vdb][dsmode=net]", "stage": None}
GOOD |= {name: dict(STAGE) for name in NAMES} | {"modules-init": {"errors": [], "finished": None, "start": None}}


CARD = f"2: enp0s3: <BROADCAST,UP> mtu 1500 qdisc fq_codel state UP mode DEFAULT \\    link/ether {MAC} brd ff:ff"
DOCKER = "3: docker0: <BROADCAST,UP> mtu 1500 qdisc noqueue state UP \\    link/ether 02:42:5d:1e:3c:01 brd ff:ff"
BRIDGED = CARD.replace(" state UP", " master br0 state UP")


def report(**changed: str | None) -> str:
    """The report of Debian 12 that was recorded, with some sections replaced, or left empty by None."""
    told: dict[str, str | None] = {
        "state": "running",
        "jobs": None,
        "stamps": "InitRDTimestampMonotonic=0\nUserspaceTimestampMonotonic=10014575\n"
        "FinishTimestampMonotonic=100307488",
        "cloud-init-status": json.dumps({"v1": GOOD}, indent=1),
        "cloud-init-log": None,
        "failed-units": None,
        "ordering-cycles": None,
        "kernel": "6.1.0-56-cloud-amd64",
        "machine-id": "2d9da095a4b64a63ae0da03a5173e39e",
        "links": f"1: lo: <LOOPBACK,UP> mtu 65536 state UNKNOWN \\    link/loopback 00:00:00:00:00:00\n{CARD}",
        "addresses": "2: enp0s3    inet6 fec0::5054/64 scope site \n2: enp0s3    inet 10.0.2.15/24 metric 100",
        "sshd": "active\ninactive\nactive\ninactive",
        "host-keys": f"{KEY} root@boot-check",
        "logins": "root\nubuntu",
        "disk": " 1B-blocks      Avail\n7318282240 6838374400",
        "uptime": "103.20 110.11",
    }
    for name, text in changed.items():
        told[name.replace("_", "-")] = text
    lines = []
    for name, text in told.items():
        lines += [name, *(f" {line}" for line in (text or "").splitlines())]
    return "\n".join([*lines, ""])


def status(**changed: t.Any) -> str:
    return json.dumps({"v1": {**GOOD, **changed}})


def test_a_good_boot() -> None:
    found = read_report(report())
    assert found == Evidence(
        ended=True,
        unfinished_jobs=(),
        uptime=103.2,
        initrd_at=None,
        userspace_at=10.014575,
        finished_at=100.307488,
        cloud_init=CloudInit("done", None, "NoCloud", (), ()),
        failed_units=(),
        ordering_cycles=(),
        kernel="6.1.0-56-cloud-amd64",
        machine_id="2d9da095a4b64a63ae0da03a5173e39e",
        address="10.0.2.15",
        sshd=True,
        host_keys=(HostKey("ssh-ed25519", "SHA256:8wCxjFNIk2JOJsXV3rcwM/poefmKE/7InddlF0O0P84", KEY),),
        logins=("ubuntu", "root"),
        disk=Disk(7318282240, 6838374400),
    )
    assert problems(found, BootOptions()) == []


LATE = status(stage="modules-final", **{"modules-final": {**STAGE, "finished": None}})
WARNED = {**STAGE, "recoverable_errors": {"WARNING": ["Failed loading yaml blob. Invalid"], "DEPRECATED": ["x"]}}
LOG = "2026-11-23 02:37:26,742 - util.py[WARNING]: Failed loading yaml blob. Invalid format at line 2 column 1"


CYCLE_OF_252 = """\
sysinit.target: Found ordering cycle on systemd-update-utmp.service/verify-active
sysinit.target: Found dependency on auditd.service/start
sysinit.target: Found dependency on basic.target/start
sysinit.target: Found dependency on sysinit.target/start
sysinit.target: Job systemd-update-utmp.service/verify-active deleted to break ordering cycle starting with \
sysinit.target/start"""
UNBREAKABLE = """\
nfs.service: Found ordering cycle on srv.mount/start
nfs.service: Found dependency on nfs.service/start
nfs.service: Unable to break cycle starting with nfs.service/start"""
CYCLE_OF_257 = """\
multi-user.target: Found ordering cycle: a@0.service/start after b.service/start after multi-user.target/start - after \
a@0.service
multi-user.target: Job a@0.service/start deleted to break ordering cycle starting with multi-user.target/start"""


@pytest.mark.parametrize(
    ("said", "cycles"),
    [
        (
            CYCLE_OF_252,
            [
                OrderingCycle(
                    ("systemd-update-utmp.service", "auditd.service", "basic.target", "sysinit.target"),
                    "systemd-update-utmp.service",
                )
            ],
        ),
        (CYCLE_OF_257, [OrderingCycle(("a@0.service", "b.service", "multi-user.target"), "a@0.service")]),
        (UNBREAKABLE, [OrderingCycle(("srv.mount", "nfs.service"), "nfs.service")]),
        # A journal may have lost lines.
        (
            f"a.service: Found ordering cycle on b.service/start\n{UNBREAKABLE}",
            [OrderingCycle(("srv.mount", "nfs.service"), "nfs.service")],
        ),
        (
            "multi-user.target: Job c.mount/start deleted to break ordering cycle",
            [OrderingCycle(("c.mount",), "c.mount")],
        ),
    ],
)
def test_ordering_cycles(said: str, cycles: list[OrderingCycle]) -> None:
    assert list(read_report(report(ordering_cycles=said)).ordering_cycles) == cycles
    both = read_report(report(ordering_cycles=f"{said}\n{said}"))
    assert list(both.ordering_cycles) == cycles * 2
    assert len(problems(both, BootOptions(allow_failed_units=("*",)))) == 2 * len(cycles)
    assert problems(both, BootOptions(allow_ordering_cycles=True)) == []


@pytest.mark.parametrize(
    ("changed", "stage", "problem"),
    [
        ({"cloud_init_status": LATE}, "cloud_init", "cloud-init did not come further than its stage modules-final"),
        (
            {"cloud_init_status": status(init={**STAGE, "errors": ["('timezone', OSError('Invalid timezone'))"]})},
            "cloud_init",
            "cloud-init ended with errors: ('timezone', OSError('Invalid timezone'))",
        ),
        ({"cloud_init_status": status(init=WARNED)}, "cloud_init", "did not understand its configuration and went on"),
        ({"cloud_init_log": LOG}, "cloud_init", "without it: Failed loading yaml blob. Invalid format at line 2"),
        ({"cloud_init_status": status(datasource="DataSourceNone")}, "cloud_init", "cloud-init found no datasource"),
        ({"cloud_init_status": None}, "cloud_init", "cloud-init found no datasource"),
        ({"cloud_init_status": '{"v1": {"init"'}, "cloud_init", "cloud-init found no datasource"),
        (
            {"failed_units": "a.service the licence is missing\nb.mount "},
            "systemd",
            "a.service (the licence is missing); b",
        ),
        (
            {"ordering_cycles": CYCLE_OF_252},
            "systemd",
            "did not start systemd-update-utmp.service, to break an ordering cycle of systemd-update-utmp.service, aud",
        ),
        (
            {"state": "starting", "jobs": "12 slow.service start running\n13 multi-user.target start waiting"},
            "systemd",
            "systemd did not end the boot: it waits for slow.service, multi-user.target",
        ),
        ({"addresses": None}, "network", "no network interface got an address"),
        (
            {"links": f"{CARD}\n{DOCKER}", "addresses": "3: docker0    inet 172.17.0.1/16 brd 172.17.255.255 scope"},
            "network",
            "no network interface got an address",
        ),
        ({"logins": None}, "network", "sshd runs, and no user takes the key that cloud-init was to give to the"),
        ({"disk": "1B-blocks Avail\n7318282240 0"}, "systemd", "the root file system is full"),
    ],
)
def test_what_makes_a_boot_a_failure(changed: dict[str, str | None], stage: str, problem: str) -> None:
    (found,) = problems(read_report(report(**changed)), BootOptions())
    assert found.stage == stage
    assert problem in found.problem
    assert found.way_out


@pytest.mark.parametrize(
    ("links", "address"),
    [
        (f"{DOCKER}\n{CARD}", "3: docker0    inet 172.17.0.1/16 scope\n2: enp0s3    inet 10.0.2.15/24 scope global"),
        (f"{BRIDGED}\n3: br0: <UP> mtu 1500 \\    link/ether 0a:01:02:03:04:05", "3: br0    inet 10.0.2.15/24 scope"),
        (
            "5: lan@br0: <UP> mtu 1500 \\    link/ether 0a:01:02:03:04:05 brd ff:ff\n"
            f"3: br0: <UP> mtu 1500 \\    link/ether 0a:01:02:03:04:05\n{BRIDGED}",
            "5: lan    inet 10.0.2.15/24 scope global",
        ),
    ],
)
def test_the_address_is_that_of_the_card_or_of_what_lies_on_it(links: str, address: str) -> None:
    assert read_report(report(links=links, addresses=address)).address == "10.0.2.15"


@pytest.mark.parametrize(
    ("user_data", "is_meant"),
    [
        (None, False),
        ({"runcmd": []}, False),
        ({"users": ["default", {"name": "ops"}]}, False),
        ({"users": [{"name": "ops"}]}, True),
        ("#cloud-config\nusers:\n  - name: ops\n", True),
        ("#cloud-config\nusers:\n  - default\n", False),
        ("#!/bin/sh\necho users: none\n", False),
    ],
)
def test_a_key_that_nobody_was_to_get(user_data: t.Any, is_meant: bool) -> None:
    found = read_report(report(logins=None))
    assert (problems(found, BootOptions(user_data=user_data)) == []) == is_meant
    assert problems(found, BootOptions(user_data=user_data, ssh=False)) == []


def test_what_may_be_overlooked() -> None:
    errors = status(init={**STAGE, "errors": ["no"]})
    found = read_report(report(cloud_init_status=errors, failed_units="snapd.seeded.service x\nb.service y"))
    assert found.failed_units == (FailedUnit("snapd.seeded.service", "x"), FailedUnit("b.service", "y"))
    assert len(problems(found, BootOptions())) == 2
    options = BootOptions(allow_failed_units=("snapd.*", "b.service"), allow_cloud_init_errors=True)
    assert problems(found, options) == []
    assert len(problems(found, replace(options, allow_failed_units=("snapd.*",)))) == 1


def test_warnings_are_reported_and_do_not_fail() -> None:
    found = read_report(report(cloud_init_log="2026-11-23 02:37:26,742 - cc_x.py[WARNING]: Something is odd"))
    assert found.cloud_init.recoverable_errors == ("Something is odd",)
    assert problems(found, BootOptions()) == []


def test_only_a_whole_report_counts() -> None:
    assert complete(report()) is None
    assert complete(report() + "end") is None
    assert complete(report() + "end\n") == report().rstrip("\n")
    # A guest that was started again reports again.
    assert complete(f"{report()}end\n{report(kernel='other')}end\n") == report().rstrip("\n")


def test_a_host_key_and_what_is_none() -> None:
    found = host_key(f"{KEY} comment")
    said = subprocess.run(["ssh-keygen", "-l", "-f", "-"], input=KEY, capture_output=True, text=True, check=True).stdout
    assert found is not None and found.fingerprint == said.split()[1]
    for line in ("", "ssh-ed25519", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA", "ssh-ed25519 !!!", "cat: no such file"):
        assert host_key(line) is None


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "end"]), st.text(st.characters(exclude_categories=["C", "Z"])))))
def test_no_text_of_a_guest_is_taken_for_a_section(told: list[tuple[str, str]]) -> None:
    text = "".join(f"section{number}\n {name} {line}\n" for number, (name, line) in enumerate(told))
    found = sections(text)
    assert found == {f"section{number}": [f"{name} {line}"] for number, (name, line) in enumerate(told)}
    assert complete(text) is None


@given(st.text())
def test_any_report_can_be_read(text: str) -> None:
    problems(read_report(text), BootOptions())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.sampled_from([*NAMES, "errors", "WARNING", "start"]), values),
)


@given(JSON, st.dictionaries(st.sampled_from([*NAMES, "datasource", "stage"]), JSON))
@example(3, {"init": {"errors": 5, "recoverable_errors": {"WARNING": 5}}})
def test_any_status_of_cloud_init_can_be_read(anything: t.Any, stages: dict[str, t.Any]) -> None:
    for document in (anything, {"v1": anything}, {"v1": stages}):
        problems(read_report(report(cloud_init_status=json.dumps(document))), BootOptions())


def test_the_guest_s_script_frames_what_programs_print() -> None:
    """The script's own function, in a real shell."""
    functions = script(f"{KEY} comment", 100).partition("tell() {")[2].partition("\n}\n")[0]
    printed = "end\n--\n\nplain $HOME `id`"
    calls = 'tell one printf "%s\\n" "$1"\ntell two false\ntell three no-such-program\necho end\n'
    program = f"tell() {{{functions}\n}}\n{calls}"
    done = subprocess.run(["sh", "-c", program, "sh", printed], capture_output=True, text=True, check=True)
    told = complete(done.stdout)
    assert told is not None
    assert sections(told) == {"one": printed.splitlines(), "two": [], "three": []}


@pytest.mark.parametrize(
    ("setting", "where", "key", "logins"),
    [
        ("", "home/ops/.ssh/authorized_keys", "{key} x", ["ops"]),
        ("", "home/ops/.ssh/authorized_keys", 'command="echo no" {key} x', []),
        ("authorizedkeysfile .ssh/keys %h/.ssh/more", "home/ops/.ssh/more", "{key} x", ["ops"]),
        ("authorizedkeysfile @ROOT@/etc/keys/%u", "etc/keys/ops", "{key} x", ["ops"]),
        ("authorizedkeysfile none", "home/ops/.ssh/authorized_keys", "{key} x", []),
    ],
)
def test_who_takes_the_key(setting: str, where: str, key: str, logins: list[str], tmp_path: Path) -> None:
    """The script's own function, with programs that say of users and of sshd what a guest's would."""
    path = tmp_path / where
    path.parent.mkdir(parents=True)
    path.write_text(key.format(key=KEY))
    said = {
        "getent": f"root:x:0:0::{tmp_path}/root:/bin/sh\nops:x:1000:1000::{tmp_path}/home/ops:/bin/sh",
        "sshd": f"port 22\n{setting}".replace("@ROOT@", str(tmp_path)),
    }
    for name, text in said.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        program.chmod(0o755)
    functions = script(f"{KEY} comment", 100).partition("logins() {")[2].partition("\n}\n")[0]
    shell = f"logins() {{{functions}\n}}\nkey={KEY.split()[1]}\nPATH={tmp_path}:$PATH\nlogins\n"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stdout.split() == logins


def test_the_vendor_data_is_a_boothook_of_sound_shell() -> None:
    hook = vendor_data(f"{KEY} comment", 500).decode()
    assert hook.startswith("#cloud-boothook\n#!/bin/sh\n")
    assert "@" not in hook.replace("$@", "")
    for text in (hook, script(f"{KEY} comment", 500)):
        subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    assert f"key={KEY.split()[1]}\n" in hook
    assert "limit=500\n" in hook
