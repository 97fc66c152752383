# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.cpuset import CpuSet
from ansible_collections.goldsmith.kvm.plugins.module_utils.host import procfs

STAT = "4242 (CPU 0/KVM) S 1 4242 4242 0 -1 138428480 " + " ".join(["0"] * 28) + " 17 3 {priority} {policy} 0 0 0"
NUMA_MAPS = """\
7f1c00000000 bind:0 file=/memfd:pc.ram\\040(deleted) huge dirty=256 mapmax=1 N0=200 N1=56 kernelpagesize_kB=2048
7f1d2c000000 default anon=1024 dirty=1024 N0=1000 N1=24 kernelpagesize_kB=4
7f1d30000000 default file=/usr/bin/qemu-system-x86_64 mapped=12 N0=12 kernelpagesize_kB=4
7f1d40000000 default
"""


def test_affinity_and_locked_memory() -> None:
    status = procfs.fields_of_status("Name:\tCPU 0/KVM\nVmLck:\t 1048576 kB\nCpus_allowed_list:\t0,2-3\n")
    assert procfs.affinity(status) == CpuSet.of([0, 2, 3])
    assert procfs.amount(status, "VmLck") == 1024**3
    assert procfs.amount(status, "HugetlbPages") == 0


@pytest.mark.parametrize(("policy", "priority", "expected"), [(0, 0, "other"), (1, 50, "fifo"), (2, 1, "rr")])
def test_scheduling(policy: int, priority: int, expected: str) -> None:
    found = procfs.scheduling(STAT.format(policy=policy, priority=priority))
    assert (found.policy, found.priority) == (expected, priority)


def test_the_scheduling_of_this_very_thread() -> None:
    with open("/proc/self/stat", encoding="ascii") as file:
        found = procfs.scheduling(file.read())
    numbers = {"other": os.SCHED_OTHER, "batch": os.SCHED_BATCH, "idle": os.SCHED_IDLE}
    assert (numbers[found.policy], found.priority) == (os.sched_getscheduler(0), 0)


def test_where_memory_lies() -> None:
    found = procfs.memory_places(NUMA_MAPS)
    pages = {2048 * 1024: 256, 4096: 1036}
    assert found.by_page_size == {size: size * count for size, count in pages.items()}
    assert found.by_node == {0: 200 * 2048 * 1024 + 1012 * 4096, 1: 56 * 2048 * 1024 + 24 * 4096}
    (guest,) = found.bound
    assert (guest.policy, guest.nodes) == ("bind", CpuSet.of([0]))
    assert guest.by_node == {0: 200 * 2048 * 1024, 1: 56 * 2048 * 1024}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("bind=static:0-1", [("bind", "0-1")]),
        ("prefer:1", [("prefer", "1")]),
        ("prefer (many):0,2", [("prefer", "0,2")]),
        ("weighted interleave:0-3", [("interleave", "0-3")]),
        ("default", []),
        ("local", []),
    ],
)
def test_policies_of_memory(policy: str, expected: list[tuple[str, str]]) -> None:
    """Also of memory that nothing was written to yet."""
    bound = procfs.memory_places(f"7f1c00000000 {policy} file=/memfd:pc.ram\\040(deleted)").bound
    assert [(part.policy, str(part.nodes)) for part in bound] == expected
    assert [part.by_node for part in bound] == [{} for dummy in expected]


def test_flags_of_open_files(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "file")
    for flags, expected in (
        (os.O_RDWR | os.O_CREAT, []),
        (os.O_RDWR | os.O_DSYNC, ["O_DSYNC"]),
    ):
        descriptor = os.open(path, flags)
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
            assert procfs.open_flags(file.read()) == expected
        os.close(descriptor)
    assert procfs.open_flags(f"pos:\t0\nflags:\t{os.O_RDWR | os.O_DIRECT:07o}\n") == ["O_DIRECT"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0::/machine.slice/machine-qemu.scope/libvirt/vcpu0\n", ["machine.slice/machine-qemu.scope/libvirt/vcpu0"]),
        ("9:cpuset:/machine/q/vcpu0\n0::/\n", ["cpuset/machine/q/vcpu0", "cpuset/machine/q/vcpu0"]),
        ("9:memory,cpuset:/m\n", ["cpuset/m", "memory,cpuset/m"]),
        ("5:cpu,cpuacct:/x\n", []),
        ("", []),
    ],
)
def test_the_cgroup_of_a_thread(text: str, expected: list[str]) -> None:
    assert procfs.cgroup_paths(text, "cpuset") == expected


def test_arguments_of_a_process() -> None:
    assert procfs.arguments(b"qemu\0-name\0guest=a b\0\0") == ("qemu", "-name", "guest=a b")
