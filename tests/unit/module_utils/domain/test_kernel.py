# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read off QEMU's command line and threads, and the names of what disagrees."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.cpuset import CpuSet
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.document import Document
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.drift import Row, audit
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.kernel import kernel_view, nothing_known
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.model import Value, Wished
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.qemu_arguments import device, disks_of
from ansible_collections.goldsmith.kvm.plugins.module_utils.host.cgroups import ThreadGroup
from ansible_collections.goldsmith.kvm.plugins.module_utils.host.processes import Process, Thread
from ansible_collections.goldsmith.kvm.plugins.module_utils.host.procfs import MemoryPlaces, Scheduling

from .sample import found, host, xml

FILE = '"driver":"file","filename":"/images/a.raw","node-name":"libvirt-1-storage","auto-read-only":true'
FORMAT = '"node-name":"libvirt-1-format","read-only":false,"driver":"qcow2","file":"libvirt-1-storage"'
DEVICE = '"driver":"virtio-blk-pci","bus":"pci.2","drive":"libvirt-1-format","id":"virtio-disk0","bootindex":1'
CACHE = '"cache":{{"direct":{},"no-flush":{}}}'


def blockdevs(cache: str = "", disk: str = "", storage: str = "") -> list[str]:
    """As libvirt 9.0 starts QEMU 7.2."""
    cache = f",{cache}" if cache else ""
    return [
        *("-blockdev", f"{{{FILE}{cache}{storage}}}"),
        *("-blockdev", f"{{{FORMAT}{cache}}}"),
        *("-device", f"{{{DEVICE}{disk}}}"),
        *("-device", '{"driver":"virtio-balloon-pci","id":"balloon0","bus":"pci.3","addr":"0x0"}'),
    ]


@pytest.mark.parametrize(
    ("cache", "written", "mode"),
    [
        ("", "", "writeback"),
        (CACHE.format("true", "false"), ',"write-cache":"on"', "none"),
        (CACHE.format("true", "false"), ',"write-cache":"off"', "directsync"),
        (CACHE.format("false", "false"), ',"write-cache":"off"', "writethrough"),
        (CACHE.format("false", "true"), ',"write-cache":"on"', "unsafe"),
        (CACHE.format("false", "false"), ',"write-cache":"on"', "writeback"),
    ],
)
def test_cache_modes_on_the_command_line(cache: str, written: str, mode: str) -> None:
    disk = disks_of(blockdevs(cache, written))["virtio-disk0"]
    assert (disk.cache, disk.path, disk.io, disk.iothread, disk.queues) == (
        mode,
        "/images/a.raw",
        "threads",
        None,
        None,
    )


def test_what_else_a_disk_has() -> None:
    arguments = blockdevs(storage=',"aio":"native"', disk=',"iothread":"iothread3","num-queues":4')
    disk = disks_of(arguments)["virtio-disk0"]
    assert (disk.io, disk.iothread, disk.queues) == ("native", 3, 4)


def test_the_older_way_to_write_devices() -> None:
    arguments = [
        *("-blockdev", f"{{{FILE}}}"),
        *("-device", "virtio-blk-pci,scsi=off,drive=libvirt-1-storage,id=virtio-disk0,write-cache=off,num-queues=2"),
        *("-device", "virtio-balloon-pci,id=balloon0"),
    ]
    disk = disks_of(arguments)["virtio-disk0"]
    assert (disk.cache, disk.queues) == ("writethrough", 2)
    assert device(arguments, "virtio-balloon") is not None


@pytest.mark.parametrize("arguments", [[], ["-device"], ["-device", "{"], ["-blockdev", "[]", "-device", "x,drive=y"]])
def test_arguments_of_somebody_else(arguments: list[str]) -> None:
    assert disks_of(arguments) == {}
    assert device(arguments, "virtio-balloon") is None


def live(cache: str = "") -> str:
    """The running definition, with the alias that libvirt gives to the first disk."""
    text = xml().replace(
        '<target dev="vda" bus="virtio"/>', '<target dev="vda" bus="virtio"/><alias name="virtio-disk0"/>'
    )
    return text.replace('type="qcow2"', f'type="qcow2"{cache}')


IOTHREADS = [Thread(20 + n, f"IO iothread{n}", CpuSet.of(range(8)), Scheduling("other", 0)) for n in (1, 2)]


def process(arguments: list[str] | None = None, **changes: t.Any) -> Process:
    """The process of a domain of two vCPUs on all CPUs."""
    everywhere, other = CpuSet.of(range(8)), Scheduling("other", 0)
    names = ("qemu-system-x86", "worker", "CPU 0/KVM", "CPU 1/KVM", "IO iothread1", "IO iothread2", "IO mon_iothread")
    cpus: dict[str, CpuSet] = changes.pop("cpus", {})
    threads = tuple(Thread(tid, name, cpus.get(name, everywhere), other) for tid, name in enumerate(names, 10))
    known: dict[str, t.Any] = {
        "threads": threads,
        "locked": 0,
        "places": MemoryPlaces({0: 4096}, {4096: 4096}),
        "files": {"/images/a.raw": ()},
    }
    return Process(10, tuple(blockdevs() if arguments is None else arguments), **{**known, **changes})


def rows(running: Process, text: str, persistent: str | None = None, **wished: Value) -> dict[str, Row]:
    view = kernel_view(running, Document.parse(text))
    wishes = {knob.replace("__", "."): Wished(value) for knob, value in wished.items()}
    return {row.knob: row for row in audit(found(persistent or text, text), wishes, view, host())}


def drifts(found_rows: dict[str, Row]) -> dict[str, list[str]]:
    return {knob: [drift.name for drift in row.drift] for knob, row in found_rows.items() if row.drift}


def test_nothing_drifts_where_all_agree() -> None:
    found_rows = rows(process(), live())
    assert drifts(found_rows) == {}
    assert found_rows["cputune.iothreadpin.2"].kernel == CpuSet.of(range(8))
    assert found_rows["disks.vda.cache"].kernel == "writeback"
    assert found_rows["disks.vdb.cache"].kernel is None


def test_threads_that_somebody_has_moved() -> None:
    moved = process(cpus={"CPU 1/KVM": CpuSet.of([5]), "qemu-system-x86": CpuSet.of([1])})
    assert drifts(rows(moved, live())) == {
        "cputune.vcpupin.1": ["affinity_reset"],
        "cputune.emulatorpin": ["affinity_reset"],
    }


def test_a_cgroup_that_allows_less() -> None:
    threads = [
        Thread(12, "CPU 0/KVM", CpuSet.of(range(8)), Scheduling("other", 0), ThreadGroup(CpuSet.of([0, 1]))),
        Thread(13, "CPU 1/KVM", CpuSet.of(range(8)), Scheduling("other", 0), ThreadGroup(CpuSet.of(range(8)))),
    ]
    assert drifts(rows(process(threads=(*threads, *IOTHREADS)), live())) == {"cputune.vcpupin.0": ["cgroup_limits"]}
    # The kernel takes what the cgroup lacks out of the affinity as well.
    seen = [replace(threads[0], affinity=CpuSet.of([0, 1])), threads[1]]
    assert drifts(rows(process(threads=(*seen, *IOTHREADS)), live())) == {"cputune.vcpupin.0": ["cgroup_limits"]}


def test_schedulers_of_threads() -> None:
    cpus = CpuSet.of(range(8))
    threads = [
        Thread(12, "CPU 0/KVM", cpus, Scheduling("fifo", 2)),
        Thread(13, "CPU 1/KVM", cpus, Scheduling("other", 0)),
        Thread(10, "qemu-system-x86", cpus, Scheduling("batch", 0)),
    ]
    scheduled = '<cputune><vcpusched vcpus="0-1" scheduler="fifo" priority="2"/></cputune><os>'
    found_rows = rows(process(threads=(*threads, *IOTHREADS)), live().replace("<os>", scheduled))
    assert drifts(found_rows) == {
        "cputune.vcpusched.0": ["hurts"],
        "cputune.vcpusched.1": ["kernel_differs", "hurts"],
        "cputune.emulatorsched": ["kernel_differs"],
    }
    assert found_rows["cputune.vcpusched.0"].kernel == "fifo 2"


def test_cache_none_that_is_not_direct() -> None:
    direct = blockdevs(CACHE.format("true", "false"), ',"write-cache":"on"')
    text = live(' cache="none"')
    assert drifts(rows(process(direct), text)) == {"disks.vda.cache": ["kernel_differs"]}
    assert drifts(rows(process(direct, files={"/images/a.raw": ("O_DIRECT",)}), text)) == {}
    assert drifts(rows(process(direct, files=None), text)) == {}
    # QEMU was started with something else than libvirt says.
    assert drifts(rows(process(), text)) == {"disks.vda.cache": ["kernel_differs"]}


def test_memory_that_is_not_locked_and_not_huge() -> None:
    text = live().replace(
        "<os>",
        '<memoryBacking><locked/><hugepages><page size="2048"/></hugepages></memoryBacking><memtune>'
        "<hard_limit>9999999</hard_limit></memtune><os>",
    )
    found_rows = drifts(rows(process(), text))
    assert found_rows["memory_backing.locked"] == ["kernel_differs", "hurts"]
    assert found_rows["memory_backing.hugepages"] == ["kernel_differs"]
    huge = MemoryPlaces({0: 2**30}, {4096: 2**20, 2**21: 2**30})
    sound = drifts(rows(process(locked=2**30, places=huge), text))
    assert sound == {"memory_backing.locked": ["hurts"]}


def test_definitions_that_differ() -> None:
    persistent = live(' cache="none"').replace("<os>", '<cputune><emulatorpin cpuset="3"/></cputune><os>')
    assert drifts(rows(process(), live(), persistent)) == {
        "cputune.emulatorpin": ["live_differs"],
        "disks.vda.cache": ["pending_restart"],
    }


def test_wishes_that_are_not_fulfilled_or_cannot_be() -> None:
    found_rows = rows(process(), live(), balloon__model="none", cputune__vcpupin__7=CpuSet.of([1]))
    assert drifts(found_rows) == {"balloon.model": ["not_as_wished"], "cputune.vcpupin.7": ["not_as_wished"]}
    assert "there is no vCPU 7" in found_rows["cputune.vcpupin.7"].drift[0].reason


def test_a_definition_that_could_not_start_any_more() -> None:
    text = xml().replace("<os>", '<cputune><vcpupin vcpu="0" cpuset="9"/></cputune><os>')
    found_rows = audit(found(text), {}, nothing_known([], ""), host())
    assert drifts({row.knob: row for row in found_rows}) == {"cputune.vcpupin.0": ["cannot_start"]}


def test_what_cannot_be_seen_says_why() -> None:
    domain = found(live(), live())
    knobs = ["cputune.emulatorpin", "clock.tsc.present", "balloon.stats_period"]
    view = nothing_known(knobs, "the domain does not run on this host")
    told = {row.knob: row.result() for row in audit(domain, {}, view, host())}
    assert told["cputune.emulatorpin"]["kernel"] == "unavailable"
    assert told["cputune.emulatorpin"]["kernel_reason"] == "the domain does not run on this host"
    # Nothing tells of these anywhere.
    assert {told[knob]["kernel"] for knob in ("clock.tsc.present", "balloon.stats_period")} == {None}
    hidden = rows(process(places=None), live())["memory_backing.hugepages"].result()
    assert (hidden["kernel"], hidden["kernel_reason"]) == (
        "unavailable",
        "this user may not look into QEMU's process: use become",
    )
