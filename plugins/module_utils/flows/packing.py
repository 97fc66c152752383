# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a published file's name says of its content."""

from __future__ import annotations

from dataclasses import dataclass

from ..catalog.model import Item

_COMPRESSIONS = (".xz", ".gz", ".bz2", ".zst")
_TARRED_VHD = ".vhd.tar.gz"
_FORMATS = {".qcow2": "qcow2", ".vmdk": "vmdk", ".vhd": "vpc", ".vhdx": "vhdx", ".vdi": "vdi"}
_QCOW2_FILE_TYPES = ("disk1.img", "disk-kvm.img")
_NO_DISKS = (".tar", ".tgz", ".txz", ".squashfs", ".manifest", ".ova", ".ovf", ".txt", ".json")


@dataclass(frozen=True)
class Packing:
    """How a published file becomes a file of the store."""

    packed: bool
    """Whether it is unpacked after it was verified."""
    is_disk: bool
    """Archives, manifests and the like are kept as they were published."""
    format: str | None
    """What the disk has to be, in QEMU's words; None: whatever it is."""


def packing_of(item: Item) -> Packing:
    """By the item's name, and by Ubuntu's file type: its ``.img`` are qcow2."""
    name = item.name.lower()
    if name.endswith(_TARRED_VHD):
        return Packing(packed=True, is_disk=True, format="vpc")
    inner = next((name[: -len(suffix)] for suffix in _COMPRESSIONS if name.endswith(suffix)), name)
    if inner.endswith(_NO_DISKS):
        return Packing(packed=False, is_disk=False, format=None)
    if item.publisher == "ubuntu" and item.file_type in _QCOW2_FILE_TYPES:
        return Packing(packed=False, is_disk=True, format="qcow2")
    image_format = next((image_format for suffix, image_format in _FORMATS.items() if inner.endswith(suffix)), None)
    return Packing(packed=inner != name, is_disk=True, format=image_format)
