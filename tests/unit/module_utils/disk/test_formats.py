# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.disk.formats import (
    FORMATS,
    MIB,
    Target,
    format_argument_spec,
    target_from,
)


def target(**given: t.Any) -> Target:
    return target_from(given, "outputs[0]")


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({"format": "qcow2"}, "compat=1.1,cluster_size=65536,compression_type=zstd"),
        ({"format": "qcow2", "compression": "none"}, "compat=1.1,cluster_size=65536"),
        ({"format": "qcow2", "compression": "zlib"}, "compat=1.1,cluster_size=65536,compression_type=zlib"),
        ({"format": "qcow2", "compat": "0.10"}, "compat=0.10,cluster_size=65536"),
        ({"format": "qcow2", "cluster_size": "2M"}, "compat=1.1,cluster_size=2097152,compression_type=zstd"),
        (
            {"format": "qcow2", "preallocation": "metadata"},
            "compat=1.1,cluster_size=65536,preallocation=metadata",
        ),
        ({"format": "raw"}, ""),
        ({"format": "raw", "preallocation": "full"}, "preallocation=full"),
        ({"format": "vmdk"}, "subformat=streamOptimized,adapter_type=lsilogic,hwversion=13"),
        (
            {"format": "vmdk", "subformat": "monolithicSparse", "adapter_type": "ide", "hwversion": 10},
            "subformat=monolithicSparse,adapter_type=ide,hwversion=10",
        ),
        ({"format": "vhdx"}, "block_size=0,subformat=dynamic"),
        ({"format": "vhdx", "block_size": "32M"}, "block_size=33554432,subformat=dynamic"),
        ({"format": "vhd"}, "subformat=fixed,force_size=on"),
        ({"format": "ova", "hwversion": 19}, "subformat=streamOptimized,adapter_type=lsilogic,hwversion=19"),
    ],
)
def test_what_qemu_img_is_told(tmp_path: Path, given: dict[str, t.Any], options: str) -> None:
    found = target(**given)
    assert found.creation_options() == options
    told = ["-o", options] if options else []
    argv = ["qemu-img", "create", "-q", "-f", found.qemu_format, *told, tmp_path / "disk", "16M"]
    subprocess.run(argv, check=True)


def test_spelling_a_default_out_changes_nothing() -> None:
    assert target(format="qcow2") == target(
        format="qcow2", compression="zstd", cluster_size="64K", compat="1.1", preallocation="off"
    )
    assert target(format="raw") == target(format="raw", preallocation="off")
    assert target(format="vmdk") == target(
        format="vmdk", subformat="streamOptimized", adapter_type="lsilogic", hwversion=13
    )
    machine = format_argument_spec()["machine"]["options"]
    defaults = {name: option.get("default") for name, option in machine.items()}
    assert target(format="ova") == target(format="ova", hwversion=13, machine=defaults)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"format": "vhd", "compression": "zlib"},
            r"outputs\[0\]\.compression is given, which vhd has not.*for qcow2\.",
        ),
        ({"format": "vhdx", "preallocation": "off"}, r"which vhdx has not.*for qcow2 and raw\."),
        ({"format": "vmdk", "machine": {}}, r"machine is given, which vmdk has not"),
        ({"format": "qcow2", "compression": "zstd", "compat": "0.10"}, "compat 0.10 knows no zstd"),
        ({"format": "qcow2", "compression": "zlib", "preallocation": "full"}, "cannot be preallocated"),
        ({"format": "qcow2", "cluster_size": "3M"}, r"cluster_size is '3M'.*from 512 B to 2 MiB"),
        ({"format": "qcow2", "cluster_size": "96K"}, r"cluster_size is '96K'.*power of two"),
        ({"format": "qcow2", "cluster_size": "small"}, "which is not a size"),
        ({"format": "raw", "preallocation": "metadata"}, "a raw file has none"),
        ({"format": "vhdx", "block_size": "512M"}, r"from 1 MiB to 256 MiB"),
        ({"format": "vhdx", "block_size": "0"}, r"from 1 MiB to 256 MiB"),
        ({"format": "vmdk", "hwversion": 3}, "hwversion is 3"),
        ({"format": "ova", "machine": {"cpus": -1}}, r"outputs\[0\]\.machine\.cpus is -1"),
        ({"format": "ova", "hwversion": 6}, r"outputs\[0\]\.machine\.disk_controller is pvscsi, which .*hwversion 6"),
    ],
)
def test_what_a_format_cannot_do_is_refused(given: dict[str, t.Any], message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        target(**given)


@pytest.mark.parametrize("name", FORMATS)
def test_disks_only_grow(name: str) -> None:
    found = target(format=name)
    for size in (1, 512, MIB - 1, MIB, MIB + 512, 10 * 1024**3):
        grown = found.virtual_size(size)
        unit = MIB if name in ("vhd", "vmdk", "ova") else 512
        assert 0 <= grown - size < unit
        assert grown % unit == 0


def test_a_disk_too_large_for_a_vhd() -> None:
    assert target(format="vhd").virtual_size(2040 * 1024**3) == 2040 * 1024**3
    with pytest.raises(BadRequestError, match=r"the disk has 2 TiB, and a VHD holds 1\.99 TiB at the most"):
        target(format="vhd").virtual_size(2 * 1024**4)
