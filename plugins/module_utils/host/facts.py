# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a hypervisor: from /sys and /proc where it is this machine, else from libvirt's capabilities."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
from collections.abc import Iterable
from xml.etree import ElementTree

from ..common.cpuset import CpuSet
from .model import HostFacts, Node, Pages

_CPUS = "sys/devices/system/cpu"
_NODES = "sys/devices/system/node"
_CGROUP_V2 = "sys/fs/cgroup/cgroup.controllers"
_DAEMONS = ("libvirtd", "virtqemud")
_CAP_SYS_NICE = 1 << 23
_CAP_SYS_RESOURCE = 1 << 24
_NOTHING = CpuSet(frozenset())


def from_sysfs(disks: Iterable[str], root: str = "/", uid: int = 0) -> HostFacts:
    """Facts of this machine.

    :arg disks: paths of disks that are to be opened without the page cache.
    :arg uid: of libvirt's daemon.
    :arg root: where its file system begins.
    """
    online = _cpu_list(os.path.join(root, _CPUS, "online"))
    nodes = {
        int(re.sub(r"\D", "", os.path.basename(path))): Node(
            _cpu_list(os.path.join(path, "cpulist")), _pages(os.path.join(path, "hugepages")), _kib(path, "MemTotal")
        )
        for path in glob.glob(os.path.join(root, _NODES, "node[0-9]*"))
    }
    memlock, may_nice = _rights(root, uid)
    return HostFacts(
        online=online,
        # A kernel without NUMA has no such directories.
        nodes=nodes or {0: Node(online, _pages(os.path.join(root, "sys/kernel/mm/hugepages")))},
        default_page=_kib(os.path.join(root, "proc"), "Hugepagesize"),
        isolated=_cpu_list(os.path.join(root, _CPUS, "isolated")),
        memlock=memlock,
        no_realtime=_no_realtime(root, may_nice),
        # cgroup v2 has weights instead.
        cpu_shares=(1, 10000) if os.path.exists(os.path.join(root, _CGROUP_V2)) else (2, 2**18),
        vhost_net=os.path.exists(os.path.join(root, "dev/vhost-net")),
        direct_io={path: able for path in disks for able in [opens_directly(path)] if able is not None},
    )


def from_capabilities(xml: str, online: CpuSet, reason: str) -> HostFacts:
    """Facts that libvirt tells of a host.

    :arg reason: why no more is known; a sentence without a full stop.
    """
    nodes = {}
    for cell in ElementTree.fromstring(xml).iterfind("host/topology/cells/cell"):
        cpus = CpuSet.of(int(cpu.get("id", "0")) for cpu in cell.iterfind("cpus/cpu"))
        pages = {
            int(page.get("size", "0")) * 1024: Pages(int(page.text or "0"), None) for page in cell.iterfind("pages")
        }
        smallest = min(pages, default=0)
        memory = cell.findtext("memory")
        nodes[int(cell.get("id", "0"))] = Node(
            cpus,
            {size: found for size, found in pages.items() if size != smallest},
            None if memory is None else int(memory) * 1024,
        )
    return HostFacts(online=online, nodes=nodes, restricted=reason)


def opens_directly(path: str) -> bool | None:
    """Whether a file or block device can be opened with O_DIRECT; None where that cannot be tried."""
    descriptor = None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return False if error.errno == errno.EINVAL else None
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return True


def _cpu_list(path: str) -> CpuSet:
    try:
        with open(path, encoding="ascii") as file:
            return CpuSet.parse_kernel(file.read())
    except OSError:
        return _NOTHING


def _pages(directory: str) -> dict[int, Pages]:
    found = {}
    for path in glob.glob(os.path.join(directory, "hugepages-*kB")):
        size = int(re.sub(r"\D", "", os.path.basename(path))) * 1024
        with contextlib.suppress(OSError):
            found[size] = Pages(_number(path, "nr_hugepages"), _number(path, "free_hugepages"))
    return found


def _kib(directory: str, name: str) -> int | None:
    """Bytes, of what ``meminfo`` has in KiB; None where it does not."""
    try:
        found = re.search(rf"{name}:\s*(\d+) kB", _text(directory, "meminfo"))
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _number(directory: str, name: str) -> int:
    return int(_text(directory, name))


def _no_realtime(root: str, may_nice: bool) -> str:
    if not may_nice:
        return "libvirtd has not the right to schedule threads in realtime (CAP_SYS_NICE), as in most containers"
    if glob.glob(os.path.join(root, "sys/fs/cgroup/cpu*/cpu.rt_runtime_us")):
        return "the kernel gives realtime to cgroups one by one (RT_GROUP_SCHED), and libvirt's cgroups have none"
    return ""


def _rights(root: str, uid: int) -> tuple[int | None, bool]:
    """How much memory libvirt's daemon can let lock at the most, and whether it may schedule threads in realtime.

    Without CAP_SYS_RESOURCE it can lift no limit of QEMU's above its own. Of a daemon that is not found, the best is
    assumed.
    """
    for process in glob.glob(os.path.join(root, "proc", "[0-9]*")):
        try:
            if _text(process, "comm").strip() not in _DAEMONS or os.stat(process).st_uid != uid:
                continue
            capabilities = re.search(r"^CapEff:\s*([0-9a-f]+)", _text(process, "status"), re.MULTILINE)
            limit = re.search(r"^Max locked memory\s+\S+\s+(\d+)", _text(process, "limits"), re.MULTILINE)
        except OSError:
            continue
        effective = int(capabilities[1], 16) if capabilities else 0
        lifts = bool(effective & _CAP_SYS_RESOURCE) or limit is None
        return None if lifts or limit is None else int(limit[1]), bool(effective & _CAP_SYS_NICE)
    return None, True


def _text(directory: str, name: str) -> str:
    with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
        return file.read()
