# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes and their cgroups, as version 1 and 2 have them, with systemd and without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.cpuset import CpuSet
from ansible_collections.goldsmith.kvm.plugins.module_utils.host.cgroups import DomainGroup, ThreadGroup
from ansible_collections.goldsmith.kvm.plugins.module_utils.host.processes import Process, find_processes

from .trees import plant

UUID = "0b3e0c6c-2f6b-4a5e-9a59-3d3b6f0f8f0e"
GROUPS = "sys/fs/cgroup"
SCOPE = "machine.slice/machine-qemu\\x2d1\\x2ddb.scope"
MACHINE = "machine/qemu-1-db.libvirt-qemu"
ZERO, BOTH = CpuSet.of([0]), CpuSet.of([0, 1])

WITH_SYSTEMD = {
    "proc/812/cgroup": f"0::/{SCOPE}/libvirt/emulator\n",
    "proc/812/task/813/cgroup": f"0::/{SCOPE}/libvirt/vcpu0\n",
    f"{GROUPS}/{SCOPE}/cpu.weight": "150\n",
    f"{GROUPS}/{SCOPE}/memory.max": "2147483648\n",
    f"{GROUPS}/{SCOPE}/libvirt/cpu.weight": "100\n",
    f"{GROUPS}/{SCOPE}/libvirt/memory.max": "max\n",
    f"{GROUPS}/{SCOPE}/libvirt/emulator/cpu.max": "30000 100000\n",
    f"{GROUPS}/{SCOPE}/libvirt/vcpu0/cpu.max": "max 100000\n",
    f"{GROUPS}/{SCOPE}/libvirt/vcpu0/cpuset.cpus.effective": "0\n",
    f"{GROUPS}/{SCOPE}/libvirt/vcpu0/cpuset.mems.effective": "0-1\n",
}
WITHOUT_SYSTEMD = {
    "proc/812/cgroup": f"7:memory:/{MACHINE}\n3:cpuset:/{MACHINE}/emulator\n2:cpu,cpuacct:/{MACHINE}/emulator\n0::/\n",
    "proc/812/task/813/cgroup": f"3:cpuset:/{MACHINE}/vcpu0\n2:cpu,cpuacct:/{MACHINE}/vcpu0\n0::/\n",
    f"{GROUPS}/cpu,cpuacct/{MACHINE}/cpu.shares": "512\n",
    f"{GROUPS}/memory/{MACHINE}/memory.limit_in_bytes": "9223372036854771712\n",
    f"{GROUPS}/cpu,cpuacct/{MACHINE}/emulator/cpu.cfs_quota_us": "30000\n",
    f"{GROUPS}/cpu,cpuacct/{MACHINE}/emulator/cpu.cfs_period_us": "100000\n",
    f"{GROUPS}/cpu,cpuacct/{MACHINE}/vcpu0/cpu.cfs_quota_us": "-1\n",
    f"{GROUPS}/cpu,cpuacct/{MACHINE}/vcpu0/cpu.cfs_period_us": "100000\n",
    f"{GROUPS}/cpuset/{MACHINE}/vcpu0/cpuset.cpus": "0\n",
    f"{GROUPS}/cpuset/{MACHINE}/vcpu0/cpuset.mems": "0-1\n",
}
SESSION = "user.slice/user-1000.slice/session-3.scope"
A_USER_S_OWN = {
    "proc/812/cgroup": f"0::/{SESSION}\n",
    "proc/812/task/813/cgroup": f"0::/{SESSION}\n",
    f"{GROUPS}/{SESSION}/cpu.weight": "100\n",
    f"{GROUPS}/{SESSION}/cpu.max": "50000 100000\n",
    f"{GROUPS}/{SESSION}/memory.max": "1073741824\n",
    f"{GROUPS}/{SESSION}/cpuset.cpus.effective": "0-1\n",
}


def looked_at(root: Path, cgroups: dict[str, str]) -> Process:
    """The process of a domain with one vCPU."""
    threads = {"812": "qemu-system-x86", "813": "CPU 0/KVM"}
    plant(root, {"proc/812/cmdline": f"qemu\0-uuid\0{UUID}\0", "proc/812/status": "VmLck:\t 8 kB\n"})
    plant(root, {"proc/7/cmdline": "qemu\0-uuid\0another\0", "proc/9/cmdline": ""})
    for tid, name in threads.items():
        stat = f"{tid} ({name}) S " + " ".join(["0"] * 49)
        plant(root / "proc/812/task" / tid, {"comm": name, "stat": stat, "status": "Cpus_allowed_list:\t0-1\n"})
    plant(root, cgroups)
    plant(root, {"proc/812/task/812/cgroup": cgroups["proc/812/cgroup"]})
    found = find_processes([UUID, "none"], str(root))
    assert list(found) == [UUID]
    return found[UUID]


@pytest.mark.parametrize(
    ("cgroups", "domain"),
    [(WITH_SYSTEMD, DomainGroup(150, 2**31)), (WITHOUT_SYSTEMD, DomainGroup(512, -1))],
)
def test_what_libvirt_s_cgroups_allow(tmp_path: Path, cgroups: dict[str, str], domain: DomainGroup) -> None:
    process = looked_at(tmp_path, cgroups)
    main, vcpu = process.threads
    assert (process.pid, process.locked, process.places, process.files) == (812, 8192, None, None)
    assert process.group == domain
    assert (main.group.quota, main.group.period) == (30000, 100000)
    assert (vcpu.name, vcpu.affinity) == ("CPU 0/KVM", BOTH)
    assert vcpu.group == ThreadGroup(ZERO, BOTH, -1, 100000)


def test_a_cgroup_that_is_not_libvirt_s_limits_nothing_of_the_domain_s(tmp_path: Path) -> None:
    """Only which CPUs it allows is as true as elsewhere."""
    process = looked_at(tmp_path, A_USER_S_OWN)
    assert process.group == DomainGroup(None, None)
    assert {thread.group for thread in process.threads} == {ThreadGroup(BOTH, None, None, None)}


def test_without_cgroups(tmp_path: Path) -> None:
    process = looked_at(tmp_path, {"proc/812/cgroup": "", "proc/812/task/813/cgroup": ""})
    assert process.group == DomainGroup() and process.threads[1].group == ThreadGroup()
