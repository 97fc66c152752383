# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.cpuset import CpuSet
from ansible_collections.goldsmith.kvm.plugins.module_utils.host.facts import (
    from_capabilities,
    from_sysfs,
    opens_directly,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.host.model import Node, Pages

from .trees import TWO_NODES, WITHOUT_NUMA, daemon, plant

MIB = 1024**2
CAPABILITIES = """<capabilities><host><topology><cells num='2'>
<cell id='0'><memory unit='KiB'>4046872</memory><pages unit='KiB' size='4'>1011718</pages>
<pages unit='KiB' size='2048'>300</pages><cpus num='2'><cpu id='0'/><cpu id='1'/></cpus></cell>
<cell id='1'><memory unit='KiB'>0</memory><pages unit='KiB' size='4'>7</pages><cpus num='1'><cpu id='4'/></cpus></cell>
</cells></topology></host></capabilities>"""


def test_two_nodes(tmp_path: Path) -> None:
    facts = from_sysfs([], str(plant(tmp_path, TWO_NODES)))
    assert (str(facts.online), str(facts.isolated)) == ("0-5,7", "2-3")
    assert facts.nodes == {
        0: Node(CpuSet.of(range(4)), {2 * MIB: Pages(300, 12)}),
        1: Node(CpuSet.of(range(4, 8)), {2 * MIB: Pages(0, 0), 1024 * MIB: Pages(8, 8)}, 64 * MIB),
    }
    assert facts.memlock is None and facts.restricted == ""


def test_a_kernel_without_numa(tmp_path: Path) -> None:
    facts = from_sysfs([], str(plant(tmp_path, WITHOUT_NUMA)))
    assert facts.nodes == {0: Node(CpuSet.of(range(2)), {2 * MIB: Pages(5, 4)})}
    assert not facts.isolated


@pytest.mark.parametrize(
    ("capabilities", "limit", "expected"),
    [
        ("000001ffffffffff", "65536", None),
        ("0000000000000000", "unlimited", None),
        ("000001fffeffffff", "67108864", 67108864),
        ("00000000a80425fb", "0", 0),
    ],
)
def test_what_libvirtd_may_let_lock(tmp_path: Path, capabilities: str, limit: str, expected: int | None) -> None:
    root = plant(tmp_path, {**WITHOUT_NUMA, **daemon(capabilities, limit)})
    facts = from_sysfs([], str(root), uid=os.geteuid())
    assert facts.memlock == expected
    assert ("CAP_SYS_NICE" in facts.no_realtime) == (not int(capabilities, 16) & 1 << 23)
    assert from_sysfs([], str(root), uid=os.geteuid() + 1).memlock is None


def test_a_kernel_that_gives_realtime_to_cgroups_one_by_one(tmp_path: Path) -> None:
    root = plant(tmp_path, {**WITHOUT_NUMA, **daemon("000001ffffffffff", "65536")})
    assert from_sysfs([], str(root), uid=os.geteuid()).no_realtime == ""
    plant(tmp_path, {"sys/fs/cgroup/cpu,cpuacct/cpu.rt_runtime_us": "950000\n"})
    assert "RT_GROUP_SCHED" in from_sysfs([], str(root), uid=os.geteuid()).no_realtime


def test_a_libvirtd_that_is_gone_says_nothing(tmp_path: Path) -> None:
    root = plant(tmp_path, {**WITHOUT_NUMA, "proc/812/comm": "libvirtd\n"})
    assert from_sysfs([], str(root), uid=os.geteuid()).memlock is None


def test_what_cgroups_and_the_network_can_do(tmp_path: Path) -> None:
    facts = from_sysfs([], str(plant(tmp_path, WITHOUT_NUMA)))
    assert (facts.cpu_shares, facts.vhost_net) == ((2, 262144), False)
    facts = from_sysfs([], str(plant(tmp_path, {"sys/fs/cgroup/cgroup.controllers": "cpu\n", "dev/vhost-net": ""})))
    assert (facts.cpu_shares, facts.vhost_net) == ((1, 10000), True)


def test_capabilities_tell_no_more_than_totals() -> None:
    facts = from_capabilities(CAPABILITIES, CpuSet.of([0, 1]), "it is another host")
    assert str(facts.online) == "0-1"
    assert facts.nodes == {
        0: Node(CpuSet.of([0, 1]), {2 * MIB: Pages(300, None)}, 4046872 * 1024),
        1: Node(CpuSet.of([4]), {}, 0),
    }
    assert facts.restricted == "it is another host"


def test_which_files_open_without_the_page_cache(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(b"\0" * 4096)
    # /proc knows no direct reading, whatever file system the tests' own directory is on.
    assert opens_directly("/proc/self/status") is False
    assert opens_directly(str(tmp_path / "missing.raw")) is None
    found = from_sysfs([str(disk), "/proc/self/status", str(tmp_path / "missing.raw")], "/").direct_io
    assert found["/proc/self/status"] is False
    assert set(found) <= {str(disk), "/proc/self/status"}


def test_this_machine_has_cpus() -> None:
    facts = from_sysfs([])
    assert 0 in facts.online.cpus
    assert facts.nodes
