# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""domain_tuning_info against what the kernel itself says of real QEMU processes."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import typing as t
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest
import yaml

from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.kernel import CGROUPS
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt import live
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.tuning import audited, tuned

from .hypervisor import Hypervisor, affinities, pid_of
from .plays import NOBODY, run_module, run_tasks

MODULE = "goldsmith.kvm.domain_tuning_info"
CPUS = sorted(os.sched_getaffinity(0))
FIRST, LAST = str(CPUS[0]), str(CPUS[-1])
HUGE = Path("/proc/sys/vm/nr_hugepages")
MIB = 1024**2

needs_two_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="pins can only be seen on a machine with two CPUs or more")


def audit(host: LocalHost, kvm: Hypervisor, **options: t.Any) -> dict[str, t.Any]:
    return dict(audited(host, kvm.uri, domains=["db-1"], **options)["db-1"])


def rows(found: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    return {row["knob"]: row for row in found["knobs"]}


def names(row: dict[str, t.Any]) -> list[str]:
    return [drift["name"] for drift in row["drift"]]


def test_a_domain_as_libvirt_makes_it_has_no_drift(kvm: Hypervisor, host: LocalHost) -> None:
    kvm.define("db-1").create()
    found = audit(host, kvm)
    assert (found["state"], found["persistent"], found["restart_required"]) == ("running", True, False)
    assert found["drift"] == []
    seen = {knob: row["kernel"] for knob, row in rows(found).items() if row["kernel"] is not None}
    everywhere = f"{FIRST}-{LAST}" if len(CPUS) > 1 else FIRST
    # What the cgroups tell depends on the machine's: another test looks at them.
    assert {knob: value for knob, value in seen.items() if knob not in CGROUPS} == {
        "iothreads": 1,
        "cputune.vcpupin.0": everywhere,
        "cputune.vcpupin.1": everywhere,
        "cputune.emulatorpin": everywhere,
        "cputune.iothreadpin.1": everywhere,
        "cputune.vcpusched.0": "default",
        "cputune.vcpusched.1": "default",
        "cputune.emulatorsched": "default",
        "numa.cells": "none",
        "cpu.mode": "custom qemu64",
        "cpu.topology": "sockets 2, dies 1, cores 1, threads 1",
        "cpu.cache": "default",
        "memory_backing.locked": False,
        "memory_backing.hugepages": "none",
        "memory_backing.source": "anonymous",
        "memory_backing.access": "private",
        "memory_backing.allocation": "ondemand",
        "memory_backing.nosharepages": False,
        "balloon.model": "virtio",
        "balloon.autodeflate": "off",
        "balloon.free_page_reporting": "off",
        "disks.vda.cache": "writeback",
        "disks.vda.io": "threads",
        "disks.vda.discard": "ignore",
        "disks.vda.detect_zeroes": "off",
        "disks.vda.error_policy": "default",
        "disks.vda.iothread": "none",
        "disks.vda.queues": "default",
        "clock.rtc.tickpolicy": "delay",
    }


EVERYTHING = """
iothreads: 2
cputune: {vcpusched: [{vcpus: "0", scheduler: batch}], emulatorsched: {scheduler: batch}}
numa: {memory: {mode: strict, nodeset: "0"}, cells: [{cpus: "0", memory: 16M}, {cpus: "1", memory: 16M}]}
cpu:
  mode: custom
  model: Haswell
  topology: {threads: 2}
  cache: emulate
  features: [{name: hle, policy: disable}]
memory_backing: {nosharepages: true, source: memfd, access: shared, allocation: immediate}
balloon: {autodeflate: "on", free_page_reporting: "on"}
disks:
  - {match: {all: true}, cache: none, io: native, discard: unmap, detect_zeroes: unmap, error_policy: report,
     iothread: "2", queues: "2"}
interfaces: [{match: {all: true}, driver: qemu, queues: "2"}]
clock:
  timers:
    - {name: hpet, present: "no"}
    - {name: kvmclock, present: "no"}
    - {name: rtc, tickpolicy: catchup}
    - {name: pit, tickpolicy: delay}
"""
NIC = "<interface type='ethernet'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>"


def test_all_that_qemu_was_told_is_seen(kvm: Hypervisor, host: LocalHost) -> None:
    """Each knob, set to what is not the default, shows in the kernel's column as it was asked for."""
    text = kvm.xml("db-1", more="<features><acpi/></features>").replace("<graphics", f"{NIC}<graphics")
    domain = kvm.connection.defineXML(text)
    done = tuned(host, kvm.uri, ["db-1"], EVERYTHING)
    domain.create()
    wishes = [{"domains": ["db-1"], **yaml.safe_load(EVERYTHING)}]
    found = rows(audit(host, kvm, wishes=wishes))
    asked = {knob["knob"]: knob["wished"] for knob in done["domains"]["db-1"]["knobs"]}
    assert {knob: found[knob]["kernel"] for knob in asked} == asked
    assert {name for row in found.values() for name in names(row)} == set()


def test_what_libvirt_does_not_pass_on_is_told(kvm: Hypervisor, host: LocalHost) -> None:
    """Zeros are unmapped only with discard, and memory is discarded only of some sources."""
    domain = kvm.define("db-1")
    asked = "memory_backing: {source: memfd, discard: true}\ndisks: [{match: {all: true}, detect_zeroes: unmap}]"
    tuned(host, kvm.uri, ["db-1"], asked)
    domain.create()
    found = rows(audit(host, kvm))
    zeroes = found["disks.vda.detect_zeroes"]
    assert (zeroes["live"], zeroes["kernel"], "kernel_differs" in names(zeroes)) == ("unmap", "on", True)
    discard = found["memory_backing.discard"]
    assert (discard["live"], "kernel_differs" in names(discard)) == (True, discard["kernel"] is False)


def test_limits_of_cgroups_and_who_changes_them(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    asked = "cputune: {shares: '512', quota: '20000', period: '50000', emulator_quota: '30000'}"
    tuned(host, kvm.uri, ["db-1"], asked)
    domain.create()
    if live.ability(domain, ["set_shares", "set_hard_limit"]).obstacles:
        pytest.skip("libvirt may not use this machine's cgroups")
    live.call("set_hard_limit", domain, 0, 2 * 1024**3)
    found = rows(audit(host, kvm))
    limits = {"shares": 512, "quota": 20000, "period": 50000, "emulator_quota": 30000, "emulator_period": 100000}
    seen = {name: found[f"cputune.{name}"]["kernel"] for name in limits}
    assert (seen, found["memory_backing.hard_limit"]["kernel"]) == (limits, 2 * 1024**3)
    assert not {name for row in found.values() for name in names(row)} & {"cgroup_reset", "unavailable"}
    # As systemd does, libvirt knows nothing of it.
    (quota,) = group_of(pid_of(domain), "CPU 1/TCG", "cpu.cfs_quota_us", "cpu.max")
    quota.write_text("40000" if quota.name == "cpu.cfs_quota_us" else "40000 50000")
    row = rows(audit(host, kvm))["cputune.quota"]
    assert (row["kernel"], names(row)) == ("20000 for vCPU 0, 40000 for vCPU 1", ["cgroup_reset"])


def group_of(pid: int, thread: str, *files: str) -> list[Path]:
    """Files of the cgroup of a thread of QEMU, wherever the machine has mounted its controllers."""
    task = next(task for task in Path(f"/proc/{pid}/task").iterdir() if (task / "comm").read_text().strip() == thread)
    lines = [line.split(":", 2) for line in (task / "cgroup").read_text().splitlines()]
    paths = {path for dummy, controllers, path in lines if "cpu" in controllers.split(",") or not controllers} - {"/"}
    mounts = [mount for mount in [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()] if mount.is_dir()]
    found = {(mount / path.lstrip("/") / file).resolve() for mount in mounts for path in paths for file in files}
    return sorted(path for path in found if path.exists())


def test_a_disk_that_was_plugged_in_while_the_domain_ran(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1", more="<features><acpi/></features>")
    domain.create()
    image = kvm.directory / "images" / "plugged.raw"
    image.write_bytes(b"\0" * 2**20)
    disk = f"<source file='{image}'/><target dev='sdb' bus='usb'/>"
    domain.attachDevice(f"<disk type='file' device='disk'><driver name='qemu' type='raw'/>{disk}</disk>")
    found = rows(audit(host, kvm))
    assert found["disks.sdb.cache"]["kernel"] == "unavailable"
    assert "it was plugged in" in found["disks.sdb.cache"]["kernel_reason"]
    assert found["disks.vda.cache"]["kernel"] == "writeback"
    # And it is in no definition.
    assert names(found["disks.sdb.cache"]) == ["pending_restart"]


def test_the_process_is_what_the_kernel_says(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    domain.create()
    process = audit(host, kvm)["process"]
    assert process["pid"] == pid_of(domain)
    real = Path(f"/proc/{process['pid']}/cmdline").read_text().rstrip("\0").split("\0")
    differing = {before for before, told, given in zip(real, process["command_line"][1:], real[1:]) if told != given}
    assert (process["command_line"][0], len(process["command_line"]), differing) == (real[0], len(real), {"-vnc"})
    threads = {thread["name"]: thread["affinity"] for thread in process["threads"]}
    assert threads["CPU 0/TCG"] == affinities(domain)["CPU 0/TCG"]
    assert {thread["policy"] for thread in process["threads"]} == {"other"}
    assert process["memory_by_node"]["0"] > 8 * MIB
    assert process["files"][str(kvm.directory / "images" / "db-1.raw")] == []


@needs_two_cpus
def test_an_affinity_that_somebody_else_has_set(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    domain.create()
    tuned(host, kvm.uri, ["db-1"], f"cputune: {{vcpupin: [{{vcpu: '0', cpuset: '{FIRST}'}}]}}")
    assert audit(host, kvm)["drift"] == []
    thread = next(thread for thread in audit(host, kvm)["process"]["threads"] if thread["name"] == "CPU 1/TCG")
    subprocess.run(["taskset", "-pc", LAST, str(thread["tid"])], check=True, capture_output=True)
    found = rows(audit(host, kvm))
    assert names(found["cputune.vcpupin.0"]) == []
    moved = found["cputune.vcpupin.1"]
    assert (moved["live"], moved["kernel"], names(moved)) == ("unpinned", LAST, ["affinity_reset"])
    # Pinning it anew puts that right.
    domain.pinVcpu(1, (True,) * (CPUS[-1] + 1))
    assert names(rows(audit(host, kvm))["cputune.vcpupin.1"]) == []


def test_schedulers(kvm: Hypervisor, host: LocalHost) -> None:
    """Any libvirtd may make threads less important. To make them more so takes a right."""
    domain = kvm.define("db-1")
    tuned(host, kvm.uri, ["db-1"], "cputune: {vcpusched: [{vcpus: all, scheduler: batch}]}")
    fifo = "cputune: {vcpusched: [{vcpus: '1', scheduler: fifo, priority: 3}]}"
    (knob,) = tuned(host, kvm.uri, ["db-1"], fifo, on_refused="warn")["domains"]["db-1"]["knobs"]
    domain.create()
    found = audit(host, kvm)
    seen = {thread["name"]: (thread["policy"], thread["priority"]) for thread in found["process"]["threads"]}
    assert seen["CPU 0/TCG"] == ("batch", 0)
    assert rows(found)["cputune.vcpusched.0"]["kernel"] == "batch"
    assert rows(found)["cputune.emulatorsched"]["kernel"] == "default"
    if knob["status"] == "refused":
        assert re.search("CAP_SYS_NICE|RT_GROUP_SCHED", knob["reason"])
        pytest.skip(f"of realtime threads: {knob['reason']}")
    assert seen["CPU 1/TCG"] == ("fifo", 3)


def test_cache_modes_as_qemu_and_the_kernel_have_them(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    path = str(kvm.directory / "images" / "db-1.raw")
    for cache, flags in (
        ("none", ["O_DIRECT"]),
        ("directsync", ["O_DIRECT"]),
        ("writethrough", []),
        ("unsafe", []),
        ("writeback", []),
    ):
        tuned(host, kvm.uri, ["db-1"], f"disks: [{{match: {{target: vda}}, cache: {cache}, iothread: 1, queues: 2}}]")
        domain.create()
        found = audit(host, kvm)
        row = rows(found)["disks.vda.cache"]
        assert (row["live"], row["kernel"], found["process"]["files"][path]) == (cache, cache, flags)
        assert {name for drift in found["knobs"] for name in names(drift)} <= {"hurts"}
        assert (rows(found)["disks.vda.iothread"]["kernel"], rows(found)["disks.vda.queues"]["kernel"]) == (1, 2)
        domain.destroy()


@contextlib.contextmanager
def huge_pages(count: int) -> Iterator[None]:
    """That many more pages of 2 MiB."""
    before = int(HUGE.read_text())
    try:
        HUGE.write_text(str(before + count))
    except OSError as error:
        pytest.skip(f"this machine gives no huge pages: {error}")
    try:
        if int(HUGE.read_text()) < before + count:
            pytest.skip("this machine has no room for huge pages")
        yield
    finally:
        HUGE.write_text(str(before))


def test_huge_pages_that_are_really_used(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1", memory=32)
    asked = "memory_backing: {hugepages: {size: 2M}, source: memfd, allocation: immediate, access: shared}"
    with huge_pages(16):
        tuned(host, kvm.uri, ["db-1"], asked)
        domain.create()
        found = audit(host, kvm)
        assert rows(found)["memory_backing.hugepages"]["kernel"] == 2 * MIB
        assert found["process"]["memory_by_page_size"][str(2 * MIB)] == 32 * MIB
        # Its own pages are none that it lacks.
        assert found["drift"] == []
        assert not tuned(host, kvm.uri, ["db-1"], asked)["changed"]
        domain.destroy()
    (line,) = audit(host, kvm)["drift"]
    assert line.startswith("memory_backing.hugepages: cannot_start: the domain needs 16 pages of 2 MiB")


def test_locked_memory(kvm: Hypervisor, host: LocalHost) -> None:
    """Where libvirtd may lift QEMU's limit, the memory is locked; elsewhere it is refused beforehand."""
    domain = kvm.define("db-1")
    asked = "memory_backing: {locked: true, hard_limit: auto}\nballoon: {model: none}"
    done = tuned(host, kvm.uri, ["db-1"], asked, on_refused="warn")
    locked = next(knob for knob in done["domains"]["db-1"]["knobs"] if knob["knob"] == "memory_backing.locked")
    if locked["status"] == "refused":
        assert "CAP_SYS_RESOURCE" in locked["reason"]
        pytest.skip("this machine's libvirtd may not lift the limit of locked memory (CAP_SYS_RESOURCE)")
    domain.create()
    row = rows(audit(host, kvm))["memory_backing.locked"]
    assert (row["live"], row["kernel"]) == (True, True)


def test_a_change_by_hand(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    wishes = [{"domains": ["db-*"], "disks": [{"match": {"target": "vda"}, "cache": "none"}]}]
    tuned(host, kvm.uri, ["db-1"], "disks: [{match: {target: vda}, cache: none}]")
    backups = f"{host.tmpdir}/backups"
    assert audit(host, kvm, wishes=wishes, backup_dir=backups)["drift"] == []
    text = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    kvm.connection.defineXML(text.replace("cache='none'", "cache='writeback'"))
    row = rows(audit(host, kvm, wishes=wishes, backup_dir=backups))["disks.vda.cache"]
    assert (row["wished"], row["persistent"]) == ("none", "writeback")
    assert {"not_as_wished", "changed_by_hand"} <= set(names(row))
    # Without wishes it is known as well.
    row = rows(audit(host, kvm, backup_dir=backups))["disks.vda.cache"]
    assert (row["wished"], "changed_by_hand" in names(row), "not_as_wished" in names(row)) == (None, True, False)


def test_without_the_right_to_look(kvm: Hypervisor) -> None:
    kvm.define("db-1").create()
    for path in (kvm.directory, kvm.directory / "sock"):
        path.chmod(0o755)
    socket = kvm.directory / "sock" / "libvirt-sock-ro"
    uri = f"qemu+unix:///system?socket={socket}"
    (result,) = run_tasks([{MODULE: {"uri": uri}, **NOBODY}])
    row = rows(result["domains"]["db-1"])["memory_backing.hugepages"]
    assert (row["kernel"], row["kernel_reason"]) == (
        "unavailable",
        "this user may not look into QEMU's process: use become",
    )
    assert result["domains"]["db-1"]["process"]["files"] is None
    assert "s3cret" not in str(result)


def test_the_module_itself(kvm: Hypervisor) -> None:
    kvm.define("db-1")
    result = run_module(MODULE, uri=kvm.uri, only_drift=True)
    assert not result["changed"]
    assert result["domains"]["db-1"]["process"] is None
    assert result["domains"]["db-1"]["knobs"] == []
