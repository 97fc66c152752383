# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of planning and of the preflight that the golden files do not show."""

from __future__ import annotations

import re
import typing as t

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.cpuset import CpuSet
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.plan import plan_domain
from ansible_collections.goldsmith.kvm.plugins.module_utils.host.model import Node, Pages

from .sample import MIB, found, host, plan, reason, statuses, wishes, xml

BOUND = '<numatune><memory mode="strict" nodeset="1"/></numatune><os>'
CPU = '<cpu mode="host-passthrough" check="none" migratable="on"/>'
NATIVE = "disks: [{match: {target: vda}, cache: none, io: native}]"


def test_what_is_refused_lets_what_needs_it_be_refused_as_well() -> None:
    planned = plan(NATIVE, direct_io={"/var/lib/libvirt/images/db-1.qcow2": False})
    assert statuses(planned) == {"disks.vda.cache": "refused", "disks.vda.io": "refused"}
    assert "cannot be opened with O_DIRECT" in reason(planned, "disks.vda.cache")
    assert "io native needs O_DIRECT" in reason(planned, "disks.vda.io")
    assert not planned.changed


def test_of_a_disk_that_could_not_be_tried_nothing_is_said() -> None:
    assert not plan(NATIVE).refused


def test_native_io_is_not_left_without_direct_cache() -> None:
    text = xml().replace('type="qcow2"', 'type="qcow2" cache="none" io="native"')
    assert statuses(plan("disks: [{match: {target: vda}, cache: default}]", text)) == {"disks.vda.cache": "refused"}
    both = plan("disks: [{match: {target: vda}, cache: default, io: threads}]", text)
    assert set(statuses(both).values()) == {"applied"}


@pytest.mark.parametrize(
    ("top", "memory", "told"),
    [
        ("<os>", 2, ""),
        ("<os>", 3, "needs 1536 pages of 2 MiB, and the host has 1024"),
        (BOUND, 2, "needs 1024 pages of 2 MiB, and the NUMA nodes 1, which the domain is bound to, has 512"),
        (BOUND, 1, ""),
        (BOUND.replace("strict", "preferred"), 2, ""),
    ],
)
def test_free_pages_where_the_domain_is_bound_to(top: str, memory: int, told: str) -> None:
    text = xml().replace("<os>", top).replace(">1048576<", f">{memory * 1048576}<")
    planned = plan("memory_backing: {hugepages: {size: 2M}}", text)
    assert statuses(planned) == {"memory_backing.hugepages": "refused" if told else "applied"}
    assert told in reason(planned, "memory_backing.hugepages")


def test_a_running_domain_has_taken_its_pages_already() -> None:
    taken = {0: Node(CpuSet.of(range(8)), {2 * MIB: Pages(512, 0)})}
    text = xml().replace("<os>", "<memoryBacking><hugepages><page size='2048'/></hugepages></memoryBacking><os>")
    asked = "memory_backing: {hugepages: {size: 2M}}"
    assert statuses(plan(asked, text, text, nodes=taken)) == {"memory_backing.hugepages": "already"}
    assert statuses(plan(asked, text, nodes=taken)) == {"memory_backing.hugepages": "refused"}


LIMIT = "memory_backing.hard_limit"


@pytest.mark.parametrize(
    ("asked", "warned"),
    [("hard_limit: 1025M", True), ("hard_limit: 2G", False), ("hard_limit: auto", False), ("hard_limit: none", False)],
)
def test_a_limit_that_leaves_no_room_for_qemu(asked: str, warned: bool) -> None:
    planned = plan(f"memory_backing: {{{asked}}}")
    assert [
        "may be too little for the guest's memory of 1 GiB and QEMU's own" in text for text in planned.warnings
    ] == [True] * warned


def test_pages_of_the_host_s_default_size() -> None:
    few = {0: Node(CpuSet.of(range(8)), {2 * MIB: Pages(511, 511)})}
    asked = "memory_backing: {hugepages: {size: default}}"
    planned = plan(asked, nodes=few, default_page=2 * MIB)
    assert "needs 512 pages of 2 MiB, and the host has 511" in reason(planned, "memory_backing.hugepages")
    # Of a remote host it is not known.
    assert statuses(plan(asked, nodes=few)) == {"memory_backing.hugepages": "applied"}


@pytest.mark.parametrize(
    ("timer", "policy", "taken"),
    [("rtc", "merge", "delay, catchup"), ("pit", "merge", "delay, catchup, discard"), ("kvmclock", "delay", "no ")],
)
def test_policies_that_a_timer_does_not_have(timer: str, policy: str, taken: str) -> None:
    planned = plan(f"clock: {{timers: [{{name: {timer}, tickpolicy: {policy}}}]}}")
    assert f"does not take that for {timer}, but {taken}" in reason(planned, f"clock.{timer}.tickpolicy")


def test_a_balloon_on_another_bus_is_left_alone() -> None:
    text, count = re.subn(r"(<memballoon model=.virtio)", r"\1-non-transitional", xml())
    assert count == 1
    assert statuses(plan("balloon: {model: virtio}", text)) == {"balloon.model": "already"}


def test_what_else_is_said_of_cells() -> None:
    cells = "<numa><cell id='0' cpus='0-1' memory='1048576' unit='KiB'/></numa>"
    bound = "<numatune><memory mode='strict' nodeset='0'/><memnode cellid='0' mode='strict' nodeset='0'/></numatune>"
    text = xml().replace("<os>", f"{bound}<cpu mode='custom'><model>qemu64</model>{cells}</cpu><os>")
    assert "memnode" in reason(plan("numa: {cells: []}", text), "numa.cells")
    assert "memnode" in reason(plan("numa: {memory: {nodeset: default}}", text), "numa.memory.nodeset")


def test_locked_memory_of_a_daemon_that_may_not_lock() -> None:
    planned = plan("memory_backing: {locked: true, hard_limit: 4G}", memlock=64 * 1024)
    assert "CAP_SYS_RESOURCE" in reason(planned, "memory_backing.locked")
    # libvirt lets QEMU lock as much as its limit, whether its memory is locked or not.
    assert statuses(planned) == {"memory_backing.locked": "refused", "memory_backing.hard_limit": "refused"}
    assert "CAP_SYS_RESOURCE" in reason(plan("memory_backing: {hard_limit: 4G}", memlock=64 * 1024), LIMIT)
    assert not plan("memory_backing: {locked: true, hard_limit: 4G}", memlock=8 * 1024**3).refused


def test_memory_that_may_be_plugged_in_is_not_there_yet() -> None:
    text = xml().replace("<os>", "<maxMemory slots='4' unit='GiB'>64</maxMemory><os>")
    planned = plan("memory_backing: {hard_limit: 4G}", text)
    assert statuses(planned) == {LIMIT: "applied"}
    assert "64 GiB of memory" in reason(plan("memory_backing: {hard_limit: auto}", text), LIMIT)


def test_huge_pages_have_to_be_on_new_nodes_too() -> None:
    few = {number: Node(CpuSet.of(range(8)), {2 * MIB: Pages(512, free)}) for number, free in ((0, 512), (1, 0))}
    text = xml().replace("<os>", "<memoryBacking><hugepages><page size='2048'/></hugepages></memoryBacking><os>")
    planned = plan("numa: {memory: {mode: strict, nodeset: '1'}}", text, nodes=few)
    assert "has 0 that are free" in reason(planned, "numa.memory.nodeset")


def test_one_queue_is_the_default() -> None:
    text = xml("interfaces")
    planned = plan("interfaces: [{match: {all: true}, queues: '1'}]", text)
    assert {str(change.wished) for change in planned.changes} == {"default"}


def test_disks_that_another_process_serves_are_not_all() -> None:
    served = "<source type='unix' path='/run/a'/><target dev='vdz' bus='virtio'/>"
    text = xml().replace("</devices>", f"<disk type='vhostuser' device='disk'>{served}</disk></devices>")
    assert "disks.vdz.cache" not in statuses(plan("disks: [{match: {all: true}, cache: none}]", text))
    assert "disks.vdz.cache" in statuses(plan("disks: [{match: {target: vdz}, cache: none}]", text))


def test_statistics_of_a_running_domain_without_a_balloon() -> None:
    running = xml().replace('<memballoon model="virtio">', '<memballoon model="none">')
    planned = plan("balloon: {model: virtio, stats_period: '5'}", xml(), running)
    assert statuses(planned)["balloon.stats_period"] == "pending_restart"


def test_a_realtime_vcpu_keeps_off_the_emulator() -> None:
    realtime = "vcpusched: [{vcpus: '1', scheduler: fifo, priority: 1}], vcpupin: [{vcpu: '1', cpuset: '5'}]"
    shared = plan(f"cputune: {{{realtime}}}")
    assert "shares the CPUs 5 with the emulator" in shared.warnings[0]
    assert plan(f"cputune: {{{realtime}, emulatorpin: 0-3}}").warnings == ()
    unable = plan(f"cputune: {{{realtime}}}", no_realtime="it may not")
    assert statuses(unable) == {"cputune.vcpupin.1": "applied", "cputune.vcpusched.1": "refused"}
    assert reason(unable, "cputune.vcpusched.1") == "it may not"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("memory_backing: {locked: true}", ["may grow without a limit", "a balloon cannot give locked memory back"]),
        ("disks: [{match: {target: vda}, cache: unsafe}]", ["ignores the guest's flushes"]),
        ("disks: [{match: {target: vda}, cache: writethrough}]", ["refuses live migration as unsafe"]),
        ("disks: [{match: {target: vda}, cache: none}]", []),
        ("disks: [{match: {target: vda}, detect_zeroes: unmap}]", ["no more than on unless discard"]),
        ("memory_backing: {hugepages: {size: 2M}, nosharepages: true}", ["merges no huge pages anyway"]),
        ("cputune: {vcpupin: [{vcpu: '0', cpuset: 4-5}]}", ["4-5 are isolated", "pin one to one"]),
        ("cputune: {vcpupin: [{vcpu: '0', cpuset: 3-4}]}", []),
    ],
)
def test_warnings_of_what_works_but_hurts(asked: str, told: list[str]) -> None:
    planned = plan(asked, isolated=CpuSet.of([4, 5, 6]))
    assert not planned.refused
    assert [text in "\n".join(planned.warnings) for text in told] == [True] * len(told)
    assert len(planned.warnings) == (2 if "locked" in asked else min(len(told), 1))


def test_of_what_nobody_asks_for_nothing_is_said() -> None:
    text = xml().replace('type="qcow2"', 'type="qcow2" cache="unsafe"')
    assert plan("balloon: {model: none}", text).warnings == ()


def test_a_managed_save_image_is_warned_of() -> None:
    asked = wishes("[{domains: [db-1], balloon: {model: none}}]")
    planned = plan_domain(found(xml(), managed_save=True), asked, host())
    assert "managed save image" in planned.warnings[0]


def test_what_the_host_cannot_do_live_waits_for_a_restart() -> None:
    asked = wishes("[{domains: [db-1], memory_backing: {hard_limit: 4G}}]")
    obstacle = {"set_hard_limit": "cgroup memory controller is not mounted"}
    running = found(xml(), xml(), live_obstacles=obstacle)
    planned = plan_domain(running, asked, host())
    assert statuses(planned) == {"memory_backing.hard_limit": "pending_restart"}
    assert reason(planned, "memory_backing.hard_limit") == obstacle["set_hard_limit"]
    transient = plan_domain(found(None, xml(), live_obstacles=obstacle), asked, host())
    assert statuses(transient) == {"memory_backing.hard_limit": "refused"}


def test_unpinned_falls_back_to_the_cpus_of_the_domain() -> None:
    text = xml().replace('<vcpu placement="static">', '<vcpu placement="static" cpuset="2-5">')
    pinned = text.replace("<os>", '<cputune><emulatorpin cpuset="2"/></cputune><os>')
    planned = plan("cputune: {emulatorpin: unpinned}", text, pinned)
    (change,) = planned.changes
    assert (change.status, change.live_value, change.undo_value) == (
        "applied_live",
        CpuSet.of([2, 3, 4, 5]),
        CpuSet.of([2]),
    )


def test_a_knob_that_waits_changes_nothing_again() -> None:
    first = plan("balloon: {model: none}", xml(), xml())
    assert first.changed and first.restart_required and first.document is not None
    second = plan("balloon: {model: none}", first.document.text(), xml())
    assert second.restart_required and not second.changed
    third = plan("balloon: {model: none}", first.document.text(), first.document.text())
    assert statuses(third) == {"balloon.model": "already"}


def test_a_disk_that_the_running_domain_does_not_have_waits() -> None:
    without = xml().replace('dev="vdb"', 'dev="vdz"')
    planned = plan("disks: [{match: {target: vdb}, cache: none}]", xml(), without)
    assert statuses(planned) == {"disks.vdb.cache": "pending_restart"}


def test_iothreads_that_come_have_their_knobs_in_the_same_call() -> None:
    asked = "iothreads: 3\ncputune: {iothreadpin: [{iothread: '3', cpuset: '1'}]}"
    assert set(statuses(plan(asked)).values()) == {"applied"}
    running = plan(asked, xml(), xml())
    assert set(statuses(running).values()) == {"applied_live"}
    pin = running.changes[1]
    assert (pin.live_value, pin.undo_value) == (CpuSet.of([1]), CpuSet.of(range(8)))
    fewer = plan("iothreads: 1\ncputune: {iothreadpin: [{iothread: '2', cpuset: '1'}]}")
    assert statuses(fewer) == {"iothreads": "applied", "cputune.iothreadpin.2": "refused"}
    assert plan("iothreads: 0").document is not None


def test_an_iothread_that_the_running_domain_uses_waits_for_a_restart() -> None:
    used = xml().replace('type="qcow2"', 'type="qcow2" iothread="2"')
    planned = plan("iothreads: 1\ndisks: [{match: {target: vda}, iothread: '1'}]", used, used)
    assert statuses(planned) == {"iothreads": "pending_restart", "disks.vda.iothread": "pending_restart"}
    assert "running domain's disk vda uses the iothread 2" in reason(planned, "iothreads")
    assert "disk vda uses the iothread 2" in reason(plan("iothreads: 1", used), "iothreads")
    scsi = xml().replace("<graphics", '<controller type="scsi" index="0"><driver iothread="2"/></controller><graphics')
    assert "scsi controller 0 uses the iothread 2" in reason(plan("iothreads: 1", scsi), "iothreads")
    transient = plan_domain(found(None, used), wishes("[{domains: [db-1], iothreads: 1}]"), host())
    assert statuses(transient) == {"iothreads": "refused"}


def test_shares_are_taken_back_to_what_was_in_effect() -> None:
    asked = wishes("[{domains: [db-1], cputune: {shares: '512', quota: '5000'}}]")
    planned = plan_domain(found(xml(), xml(), in_effect={"set_shares": 100}), asked, host())
    assert [(change.live_value, change.undo_value) for change in planned.changes] == [(512, 100), (5000, -1)]
    unable = plan_domain(found(xml(), xml(), live_obstacles={"set_quota": "no cgroups"}), asked, host())
    assert statuses(unable) == {"cputune.shares": "applied_live", "cputune.quota": "pending_restart"}


REFUSED = [
    ("cputune: {shares: '20000'}", {"cpu_shares": (1, 10000)}, "know shares from 1 to 10000 only"),
    ("numa: {memory: {nodeset: '0,7'}}", {}, "no NUMA node 7; it has 0-1"),
    ("numa: {memory: {nodeset: '1'}}", {"nodes": {1: Node(CpuSet.of([4]), {}, 0)}}, "nodes 1 of the host have no mem"),
    ("numa: {memory: {mode: preferred}}", {}, "there is no nodeset"),
    ("numa: {cells: [{cpus: '0', memory: 1G}]}", {}, "cells have the vCPUs 0, and the domain has 0-1"),
    ("numa: {cells: [{cpus: 0-1, memory: 2G}]}", {}, "cells have 2 GiB of memory, and the domain has 1 GiB"),
    ("cpu: {topology: {cores: 2, threads: 2}}", {}, "is 4 vCPUs, and the domain has 2"),
    ("cpu: {mode: host-model, cache: passthrough}", {}, "only with mode host-passthrough or maximum"),
    ("cpu: {features: [{name: pcdi, policy: optional}]}", {"unknown_features": {"pcdi"}}, "knows no CPU feature pcdi"),
    ("cpu: {mode: custom, model: Z80}", {"cpu_models": frozenset(["qemu64"])}, "knows no CPU model Z80"),
]


@pytest.mark.parametrize(("asked", "facts", "told"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_could_not_start_or_would_be_changed(asked: str, facts: dict[str, t.Any], told: str) -> None:
    planned = plan(asked, **facts)
    assert told in "; ".join(change.reason for change in planned.refused)


def test_the_host_s_cpu_is_not_for_emulated_guests() -> None:
    emulated = xml().replace('type="kvm"', 'type="qemu"').replace("host-passthrough", "host-model")
    assert "is emulated" in reason(plan("cpu: {mode: host-passthrough}", emulated), "cpu.mode")
    assert statuses(plan("cpu: {mode: maximum, cache: passthrough}", emulated)) == {
        "cpu.mode": "applied",
        "cpu.cache": "applied",
    }
    assert "features need a mode" in reason(
        plan("cpu: {features: [{name: pcid, policy: require}]}", xml().replace(CPU, "")), "cpu.features.pcid"
    )


def test_interfaces_that_the_kernel_cannot_serve() -> None:
    asked = "interfaces: [{match: {model: virtio}, driver: vhost, queues: '4'}]"
    planned = plan(asked, xml("interfaces"), vhost_net=False)
    assert "no /dev/vhost-net" in reason(planned, "interfaces.52:54:00:6b:3c:58.driver")
    assert "uses no more queues" in planned.warnings[0]
    user = xml("interfaces").replace("bridge", "user")
    assert "of the type user cannot have that" in plan(asked, user).refused[0].reason


def test_memory_of_a_running_domain_moves_in_the_restrictive_mode_only() -> None:
    strict = xml("numa_running").replace("restrictive", "strict")
    planned = plan("numa: {memory: {nodeset: '1'}}", strict, strict)
    assert "in the mode restrictive only" in reason(planned, "numa.memory.nodeset")
    back = plan("numa: {memory: {nodeset: default}}", xml("numa_running"), xml("numa_running"))
    assert "lets a running domain use all nodes" in reason(back, "numa.memory.nodeset")
    assert back.document is not None and "numatune" not in back.document.text()


def test_a_mode_is_refused_with_the_default_of_its_nodes() -> None:
    planned = plan("numa: {memory: {mode: preferred, nodeset: default}}", xml("numa_running"))
    assert statuses(planned) == {"numa.memory.mode": "refused", "numa.memory.nodeset": "applied"}


def test_iothreads_by_their_numbers() -> None:
    ids = '<iothreads>3</iothreads><iothreadids><iothread id="2"/><iothread id="7"/></iothreadids>'
    text = xml().replace("<iothreads>2</iothreads>", ids)
    planned = plan("cputune: {iothreadpin: [{iothread: all, cpuset: '1'}]}", text)
    assert list(statuses(planned)) == [f"cputune.iothreadpin.{number}" for number in (1, 2, 7)]
