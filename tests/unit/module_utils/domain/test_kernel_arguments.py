# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Knobs as QEMU's command line, its threads' cgroups and numa_maps tell them."""

from __future__ import annotations

import shlex

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.cpuset import CpuSet
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.document import Document
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.kernel import agrees, kernel_view
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.model import Value
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.qemu_arguments import without_secrets
from ansible_collections.goldsmith.kvm.plugins.module_utils.host.cgroups import DomainGroup, ThreadGroup
from ansible_collections.goldsmith.kvm.plugins.module_utils.host.processes import Process, Thread
from ansible_collections.goldsmith.kvm.plugins.module_utils.host.procfs import Bound, MemoryPlaces, Scheduling

from .test_kernel import drifts, live, process, rows

# As libvirt 9.0 starts QEMU 7.2.
MEMORY = """
-machine pc-q35-7.2,usb=off,dump-guest-core=off,mem-merge=off
-object '{"qom-type":"thread-context","id":"tc-ram-node0","node-affinity":[0]}'
-object '{"qom-type":"memory-backend-memfd","id":"ram-node0","share":true,"prealloc":true,"size":16777216}'
-numa node,nodeid=0,cpus=0,cpus=2-3,memdev=ram-node0
-object '{"qom-type":"memory-backend-memfd","id":"ram-node1","share":true,"prealloc":true,"size":33554432}'
-numa node,nodeid=1,cpus=1,memdev=ram-node1
"""
DISK = """
-blockdev '{"driver":"file","filename":"/a.raw","node-name":"libvirt-1-storage","discard":"unmap"}'
-blockdev '{"node-name":"libvirt-1-format","discard":"unmap","detect-zeroes":"on","file":"libvirt-1-storage"}'
-device '{"driver":"virtio-blk-pci","drive":"libvirt-1-format","id":"virtio-disk0","werror":"enospc"}'
"""
MAC = "52:54:00:00:00:01"
NIC = f"""-netdev '{{"type":"tap","fds":"29:30","vhost":true,"vhostfds":"31:32","id":"hostnet0"}}'
-device '{{"driver":"virtio-net-pci","mq":true,"netdev":"hostnet0","id":"net0","mac":"{MAC}"}}'"""
INTERFACE = f'<interface type="network"><mac address="{MAC}"/><model type="virtio"/></interface><graphics'


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            "-cpu Haswell,hle=off,pcid=on,kvmclock=off,l3-cache=on",
            {
                "cpu.mode": "custom Haswell",
                "cpu.cache": "emulate",
                "cpu.features.hle": "disable",
                "cpu.features.pcid": "require",
                "clock.kvmclock.present": "no",
            },
        ),
        ("-cpu Haswell,+pcid,-hle", {"cpu.features.pcid": "require", "cpu.features.hle": "disable"}),
        (
            "-cpu host,migratable=on,host-cache-info=on,l3-cache=off,hv-time=on",
            {"cpu.mode": "host-passthrough", "cpu.cache": "passthrough", "clock.hypervclock.present": "yes"},
        ),
        ("-cpu max,l3-cache=off", {"cpu.mode": "maximum", "cpu.cache": "disable"}),
        ("-cpu qemu64", {"cpu.mode": "custom qemu64", "cpu.cache": "default"}),
        (
            "-smp 4,maxcpus=8,sockets=2,dies=1,cores=2,threads=2",
            {"cpu.topology": "sockets 2, dies 1, cores 2, threads 2"},
        ),
        ("-smp 4", {}),
        ("-numa node,nodeid=0,cpus=0-1,mem=16", {}),
        ("-no-hpet -rtc base=utc,driftfix=slew", {"clock.hpet.present": "no", "clock.rtc.tickpolicy": "catchup"}),
        ("-machine q35,hpet=on -rtc base=utc", {"clock.hpet.present": "yes", "clock.rtc.tickpolicy": "delay"}),
        ("-global kvm-pit.lost_tick_policy=discard", {"clock.pit.tickpolicy": "discard"}),
        (
            MEMORY,
            {
                "memory_backing.source": "memfd",
                "memory_backing.access": "shared",
                "memory_backing.allocation": "immediate",
                "memory_backing.nosharepages": True,
                "memory_backing.discard": False,
                "numa.cells": "0,2-3: 16384 KiB; 1: 32768 KiB",
            },
        ),
        (
            "-machine pc,memory-backend=pc.ram -object memory-backend-ram,id=pc.ram,size=33554432",
            {
                "memory_backing.source": "anonymous",
                "memory_backing.access": "private",
                "memory_backing.allocation": "ondemand",
                "memory_backing.nosharepages": False,
                "numa.cells": "none",
            },
        ),
        (
            "-machine pc,memory-backend=pc.ram "
            '-object \'{"qom-type":"memory-backend-file","id":"pc.ram","discard-data":true}\'',
            {"memory_backing.source": "file", "memory_backing.discard": True},
        ),
        (
            '-device \'{"driver":"virtio-balloon-pci","deflate-on-oom":true,"free-page-reporting":true}\'',
            {"balloon.model": "virtio", "balloon.autodeflate": "on", "balloon.free_page_reporting": "on"},
        ),
        (
            "-device virtio-balloon-pci,id=balloon0",
            {"balloon.autodeflate": "off", "balloon.free_page_reporting": "off"},
        ),
        (
            DISK,
            {
                "disks.vda.discard": "unmap",
                "disks.vda.detect_zeroes": "on",
                "disks.vda.error_policy": "enospace",
            },
        ),
        (NIC, {f"interfaces.{MAC}.driver": "vhost", f"interfaces.{MAC}.queues": 2}),
        (
            f"-netdev tap,fd=29,id=hostnet0 -device virtio-net-pci,netdev=hostnet0,mac={MAC}",
            {f"interfaces.{MAC}.driver": "qemu", f"interfaces.{MAC}.queues": 1},
        ),
        (
            f"-netdev vhost-user,chardev=c,queues=4,id=hostnet0 -device virtio-net-pci,netdev=hostnet0,mq=on,mac={MAC}",
            {f"interfaces.{MAC}.queues": 4},
        ),
    ],
)
def test_what_the_command_line_says(arguments: str, expected: dict[str, Value]) -> None:
    text = live().replace("<graphics", INTERFACE)
    found = kernel_view(process(shlex.split(arguments)), Document.parse(text)).values
    assert {knob: found.get(knob) for knob in expected} == expected
    unsaid = {f"interfaces.{MAC}.driver", "cpu.topology"} - expected.keys()
    unsaid |= {"numa.cells"} if "mem=16" in arguments else set()
    assert not unsaid & found.keys()


def test_what_follows_from_huge_pages_is_not_held_against_them() -> None:
    """libvirt takes them from files and all at once, whatever the definition says."""
    huge = "<memoryBacking><hugepages/></memoryBacking><os>"
    arguments = shlex.split(
        '-machine pc,memory-backend=pc.ram -object \'{"qom-type":"memory-backend-file","id":"pc.ram","prealloc":true}\''
    )
    found = kernel_view(process(arguments), Document.parse(live().replace("<os>", huge))).values
    assert not {"memory_backing.source", "memory_backing.allocation"} & found.keys()


def test_devices_that_were_plugged_in_later() -> None:
    """A number of a source that is not that of the command line, or an alias that it does not have."""
    text = live().replace("<graphics", INTERFACE).replace('db-1.qcow2"', 'db-1.qcow2" index="3"')
    text = text.replace(
        '<target dev="vdb" bus="virtio"/>', '<target dev="vdb" bus="virtio"/><alias name="virtio-disk1"/>'
    )
    view = kernel_view(process(), Document.parse(text))
    assert {knob for knob, reason in view.unavailable.items() if "was plugged in" in reason} == {
        *(f"disks.{target}.cache" for target in ("vda", "vdb")),
        *(f"disks.{target}.io" for target in ("vda", "vdb")),
        *(f"disks.{target}.discard" for target in ("vda", "vdb")),
        *(f"disks.{target}.detect_zeroes" for target in ("vda", "vdb")),
        *(f"disks.{target}.error_policy" for target in ("vda", "vdb")),
        *(f"disks.{target}.iothread" for target in ("vda", "vdb")),
        *(f"disks.{target}.queues" for target in ("vda", "vdb")),
        f"interfaces.{MAC}.driver",
        f"interfaces.{MAC}.queues",
    }
    same = kernel_view(process(), Document.parse(text.replace('index="3"', 'index="1"')))
    assert same.values["disks.vda.cache"] == "writeback" and "disks.vda.cache" not in same.unavailable


def limited(shares: int | None, memory: int | None, *quotas: int) -> Process:
    """vCPUs with these quotas, and an emulator with another."""
    cpus, other = CpuSet.of(range(8)), Scheduling("other", 0)
    groups = [ThreadGroup(cpus, None, 30000, 100000), *(ThreadGroup(cpus, None, quota, 50000) for quota in quotas)]
    names = ("qemu-system-x86", "CPU 0/KVM", "CPU 1/KVM")
    threads = [Thread(10 + at, name, cpus, other, group) for at, (name, group) in enumerate(zip(names, groups))]
    threads += [Thread(20 + number, f"IO iothread{number}", cpus, other) for number in (1, 2)]
    return process(threads=tuple(threads), group=DomainGroup(shares, memory))


LIMITS = (
    "<cputune><shares>512</shares><period>50000</period><quota>20000</quota><emulator_quota>30000</emulator_quota>"
    "</cputune><memtune><hard_limit unit='KiB'>2000001</hard_limit></memtune><os>"
)
PAGES = 2000001 * 1024 // 4096 * 4096


def test_limits_that_the_cgroups_have() -> None:
    text = live().replace("<os>", LIMITS)
    # A limit is a whole number of pages.
    assert drifts(rows(limited(512, PAGES, 20000, 20000), text)) == {}
    found = rows(limited(100, -1, 20000, -1), text)
    assert drifts(found) == {
        "cputune.shares": ["cgroup_reset"],
        "cputune.quota": ["cgroup_reset"],
        "memory_backing.hard_limit": ["cgroup_reset"],
    }
    assert found["cputune.quota"].kernel == "20000 for vCPU 0, -1 for vCPU 1"
    # Where the definition says nothing, only the default of shares is not known.
    found = rows(limited(7, -1, 20000, 20000), live())
    assert drifts(found) == {
        "cputune.quota": ["cgroup_reset"],
        "cputune.period": ["cgroup_reset"],
        "cputune.emulator_quota": ["cgroup_reset"],
    }


def test_without_cgroups_limits_are_not_known() -> None:
    row = rows(limited(None, None), live().replace("<os>", LIMITS))["cputune.shares"].result()
    assert row["kernel"] == "unavailable" and "libvirt has no such cgroup" in row["kernel_reason"]


def bound(*parts: Bound) -> Process:
    return process(places=MemoryPlaces({0: 2**30}, {4096: 2**30}, parts))


@pytest.mark.parametrize(
    ("policy", "mode", "names"), [("bind", "strict", ["kernel_differs"]), ("prefer", "preferred", ["hurts"])]
)
def test_memory_that_lies_elsewhere(policy: str, mode: str, names: list[str]) -> None:
    text = live().replace("<os>", f'<numatune><memory mode="{mode}" nodeset="0"/></numatune><os>')
    nodes = CpuSet.of([0])
    assert drifts(rows(bound(Bound(policy, nodes, {0: 2**30})), text)) == {}
    found = rows(bound(Bound(policy, nodes, {0: 2**30, 1: 2**20})), text)
    assert drifts(found) == {"numa.memory.nodeset": names}
    assert "1 MiB of the guest's memory lie on the nodes 1" in found["numa.memory.nodeset"].drift[0].reason
    moved = rows(bound(Bound(policy, CpuSet.of([1]), {1: 2**30})), text)
    assert drifts(moved) == {"numa.memory.nodeset": ["kernel_differs"]}


def test_memory_that_only_the_threads_are_bound_for() -> None:
    text = live().replace("<os>", '<numatune><memory mode="restrictive" nodeset="1"/></numatune><os>')
    main = Thread(10, "qemu-system-x86", CpuSet.of(range(8)), Scheduling("other", 0), ThreadGroup(nodes=CpuSet.of([1])))
    running = process()
    running = process(threads=(main, *running.threads[1:]))
    found = rows(running, text)
    assert drifts(found) == {} and found["numa.memory.mode"].kernel == "restrictive"
    strict = text.replace("restrictive", "strict")
    assert drifts(rows(running, strict)) == {"numa.memory.mode": ["kernel_differs"]}


@pytest.mark.parametrize(
    ("knob", "said", "done", "agreed"),
    [
        ("cpu.mode", "host-model", "custom Haswell", True),
        ("cpu.mode", "host-passthrough", "custom Haswell", False),
        ("cpu.mode", "default", "custom qemu64", True),
        ("memory_backing.hugepages", "2097152 for 0, 4096 for 1", 2097152, True),
        ("memory_backing.hugepages", "2097152 for 0, 4096 for 1", "none", False),
        ("memory_backing.hugepages", "none", 2097152, False),
        ("memory_backing.source", "default", "memfd", True),
        ("memory_backing.source", "memfd", "anonymous", False),
        ("memory_backing.hard_limit", 2**30, 2**30 + 4096, False),
        ("memory_backing.hard_limit", "none", 2**30, False),
        ("disks.vda.error_policy", "default", "stop", True),
        ("disks.vda.io", "default", "native", False),
        ("interfaces.52:54:00:00:00:01.queues", 2, 1, False),
        ("cputune.vcpusched.0", "default", "fifo 1", False),
        ("cputune.shares", "default", 100, True),
        ("iothreads", 1, 2, False),
    ],
)
def test_what_agrees(knob: str, said: Value, done: Value, agreed: bool) -> None:
    assert agrees(knob, said, done) is agreed


def test_what_may_be_secret_is_left_out_of_the_command_line() -> None:
    told = [
        *("/usr/bin/qemu-system-x86_64", "-name", "guest=db-1,debug-threads=on", "-S"),
        *("-object", '{"qom-type":"secret","id":"masterKey0","format":"raw","data":"c2VjcmV0"}'),
        *("-smbios", "type=11,value=io.systemd.credential:passwd.hashed-password.root=$6$secret"),
        *("-fw_cfg", "name=opt/secret,string=secret", "-append", "password=secret", "-kernel", "/boot/vmlinuz"),
        *(
            "-blockdev",
            '{"driver":"https","url":"https://user:secret@example.com/a.raw","node-name":"libvirt-1-storage"}',
        ),
        *("-device", '{"driver":"virtio-blk-pci","drive":"libvirt-1-format"}'),
    ]
    shown = list(without_secrets(told))
    assert "secret" not in " ".join(shown).replace('"qom-type":"secret"', "") and "c2Vj" not in " ".join(shown)
    assert shown[:4] == [told[0], "-name", "guest=db-1,debug-threads=on", "-S"]
    assert shown[5] == '{"qom-type":"secret","id":"masterKey0","format":"raw","data":…}'
    assert '"node-name":"libvirt-1-storage"' in shown[-3] and shown[-1] == told[-1]
