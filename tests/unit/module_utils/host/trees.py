# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of /proc and /sys, as files below a directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def plant(root: Path, files: Mapping[str, str]) -> Path:
    """Write each file, and return the root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


CPUS = "sys/devices/system/cpu"
NODES = "sys/devices/system/node"

TWO_NODES = {
    f"{CPUS}/online": "0-5,7\n",
    f"{CPUS}/isolated": "2-3\n",
    f"{NODES}/node0/cpulist": "0-3\n",
    f"{NODES}/node0/hugepages/hugepages-2048kB/nr_hugepages": "300\n",
    f"{NODES}/node0/hugepages/hugepages-2048kB/free_hugepages": "12\n",
    f"{NODES}/node1/cpulist": "4-7\n",
    f"{NODES}/node1/meminfo": "Node 1 MemTotal:       65536 kB\nNode 1 MemFree:        1 kB\n",
    f"{NODES}/node1/hugepages/hugepages-2048kB/nr_hugepages": "0\n",
    f"{NODES}/node1/hugepages/hugepages-2048kB/free_hugepages": "0\n",
    f"{NODES}/node1/hugepages/hugepages-1048576kB/nr_hugepages": "8\n",
    f"{NODES}/node1/hugepages/hugepages-1048576kB/free_hugepages": "8\n",
}
WITHOUT_NUMA = {
    f"{CPUS}/online": "0-1\n",
    f"{CPUS}/isolated": "\n",
    "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "5\n",
    "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "4\n",
}


def daemon(capabilities: str, limit: str) -> dict[str, str]:
    """A libvirtd with these effective capabilities and this hard limit of locked memory."""
    return {
        "proc/812/comm": "libvirtd\n",
        "proc/812/status": f"Name:\tlibvirtd\nCapPrm:\t000001ffffffffff\nCapEff:\t{capabilities}\n",
        "proc/812/limits": (
            "Limit                     Soft Limit           Hard Limit           Units     \n"
            "Max processes             96418                96418                processes \n"
            f"Max locked memory         65536                {limit:<20} bytes     \n"
        ),
    }
