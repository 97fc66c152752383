# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.model import Item, Proof
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.packing import Packing, packing_of

AS_IT_IS = Packing(packed=False, is_disk=False, format=None)


def named(name: str, file_type: str = "") -> Item:
    publisher = "ubuntu" if file_type else "directory"
    return Item(publisher, "product", "", file_type, name, (), "", None, Proof("none"))


@pytest.mark.parametrize(
    ("item", "packing"),
    [
        (named("u-24.04-server-cloudimg-amd64.img", "disk1.img"), Packing(False, True, "qcow2")),
        (named("u-22.04-server-cloudimg-amd64-disk-kvm.img", "disk-kvm.img"), Packing(False, True, "qcow2")),
        (named("u-24.04-server-cloudimg-amd64.vmdk", "vmdk"), Packing(False, True, "vmdk")),
        (named("u-24.04-server-cloudimg-amd64-azure.vhd.tar.gz", "vhd.tar.gz"), Packing(True, True, "vpc")),
        (named("u-24.04-server-cloudimg-amd64.ova", "ova"), AS_IT_IS),
        (named("u-24.04-server-cloudimg-amd64.squashfs", "squashfs"), AS_IT_IS),
        (named("u-24.04-server-cloudimg-amd64-root.tar.xz", "root.tar.xz"), AS_IT_IS),
        (named("u-24.04-server-cloudimg-amd64.tar.gz", "tar.gz"), AS_IT_IS),
        (named("u-24.04-server-cloudimg-amd64.manifest", "manifest"), AS_IT_IS),
        (named("disk.img"), Packing(False, True, None)),
        (named("disk.raw"), Packing(False, True, None)),
        (named("DISK.QCOW2"), Packing(False, True, "qcow2")),
        (named("disk.qcow2.xz"), Packing(True, True, "qcow2")),
        (named("disk.raw.zst"), Packing(True, True, None)),
        (named("disk.img.bz2"), Packing(True, True, None)),
        (named("disk.vhd.gz"), Packing(True, True, "vpc")),
        (named("rootfs.tar.zst"), AS_IT_IS),
    ],
    ids=lambda value: value.name if isinstance(value, Item) else "",
)
def test_the_name_tells_what_to_do(item: Item, packing: Packing) -> None:
    assert packing_of(item) == packing
