# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats that an image can be written in, and what each can be told: in a user's words and in qemu-img's."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..common.errors import BadRequestError
from ..common.size import format_size, parse_size
from .ovf import DISK_CONTROLLERS, FIRMWARES, NETWORK_CARDS, SYSTEMS, Machine, machine_from
from .qemu_img import COMPRESSIONS

MIB = 1024 * 1024
_WHOLE_MIB = ("vhd", "vmdk", "ova")
"""Formats of disks that end at a whole MiB: Azure takes no others, and a VMDK consists of whole grains of 64 KiB. The
guest finds zeros behind the end of its last partition."""
_LARGEST_VHD = 2040 * 1024 * MIB
"""Bytes. What QEMU and Hyper-V write into a VHD at the most."""
_SMALLEST_CLUSTER, _LARGEST_CLUSTER = 512, 2 * MIB
_SMALLEST_BLOCK, _LARGEST_BLOCK = MIB, 256 * MIB
_NEWEST_HARDWARE = 22

COMPATS = ("1.1", "0.10")
PREALLOCATIONS = ("off", "metadata", "falloc", "full")
SUBFORMATS = ("streamOptimized", "monolithicSparse")
ADAPTER_TYPES = ("lsilogic", "ide", "buslogic", "legacyESX")

_OPTIONS_OF = {
    "qcow2": ("compression", "cluster_size", "compat", "preallocation"),
    "raw": ("preallocation",),
    "vmdk": ("subformat", "adapter_type", "hwversion"),
    "vhdx": ("block_size",),
    "vhd": (),
    "ova": ("hwversion", "machine"),
}
FORMATS = tuple(_OPTIONS_OF)
_QEMU_NAMES = {"vhd": "vpc", "ova": "vmdk"}


def format_argument_spec() -> dict[str, t.Any]:
    """The options of an output that say what is written."""
    return {
        "format": {"type": "str", "choices": list(FORMATS), "required": True},
        "compression": {"type": "str", "choices": list(COMPRESSIONS)},
        "cluster_size": {"type": "str"},
        "compat": {"type": "str", "choices": list(COMPATS)},
        "preallocation": {"type": "str", "choices": list(PREALLOCATIONS)},
        "subformat": {"type": "str", "choices": list(SUBFORMATS)},
        "adapter_type": {"type": "str", "choices": list(ADAPTER_TYPES)},
        "hwversion": {"type": "int"},
        "block_size": {"type": "str"},
        "machine": {
            "type": "dict",
            "options": {
                "name": {"type": "str"},
                "description": {"type": "str"},
                "os": {"type": "str", "choices": list(SYSTEMS), "default": "linux"},
                "cpus": {"type": "int", "default": 1},
                "memory": {"type": "str", "default": "1G"},
                "firmware": {"type": "str", "choices": list(FIRMWARES), "default": "bios"},
                "disk_controller": {"type": "str", "choices": list(DISK_CONTROLLERS), "default": "pvscsi"},
                "network_card": {"type": "str", "choices": list(NETWORK_CARDS), "default": "vmxnet3"},
                "networks": {"type": "list", "elements": "str", "default": ["VM Network"]},
            },
        },
    }


@dataclass(frozen=True)
class Target:
    """What is written: a format with every option that decides the bytes, defaults filled in."""

    format: str
    options: Mapping[str, t.Any] = field(default_factory=dict)
    """By name, as they stand in the record; sizes in bytes."""
    machine: Machine | None = None
    """Of an OVA."""

    @property
    def qemu_format(self) -> str:
        """QEMU's name of the disk's format."""
        return _QEMU_NAMES.get(self.format, self.format)

    @property
    def compresses(self) -> bool:
        return self.options.get("compression", "none") != "none" or self.options.get("subformat") == "streamOptimized"

    @property
    def allocates(self) -> bool:
        """Whether the file takes its whole size from the beginning."""
        return self.options.get("preallocation", "off") in ("falloc", "full")

    def virtual_size(self, source: int) -> int:
        """How large the disk becomes, of the source's size in bytes; raises BadRequestError where it cannot."""
        unit = MIB if self.format in _WHOLE_MIB else 512
        size = (source + unit - 1) // unit * unit
        if self.format == "vhd" and size > _LARGEST_VHD:
            raise BadRequestError(
                f"the disk has {format_size(source)}, and a VHD holds {format_size(_LARGEST_VHD)} at the most",
                "Write a vhdx, or build the image smaller",
            )
        return size

    def creation_options(self) -> str:
        """For ``qemu-img -o``; empty where the format has none."""
        given = dict(self.options)
        if self.format == "vhd":
            given = {"subformat": "fixed", "force_size": "on"}
        elif self.format == "vhdx":
            given["subformat"] = "dynamic"
        compression = given.pop("compression", "none")
        if compression != "none" and given["compat"] == "1.1":
            # QEMU before 5.1 knows zlib alone, and no such option.
            given["compression_type"] = compression
        if given.get("preallocation") == "off":
            del given["preallocation"]
        return ",".join(f"{name}={value}" for name, value in given.items())


def target_from(given: Mapping[str, t.Any], where: str) -> Target:
    """What an output of :func:`format_argument_spec` asks for; ``where`` names it. Raises BadRequestError."""
    name = given["format"]
    wanted = {option: given.get(option) for option in format_argument_spec() if option != "format"}
    for option, value in wanted.items():
        if value is not None and option not in _OPTIONS_OF[name]:
            others = [other for other, options in _OPTIONS_OF.items() if option in options]
            raise BadRequestError(
                f"{where}.{option} is given, which {name} has not", f"Leave it out; it is for {' and '.join(others)}"
            )
    if name == "qcow2":
        return Target(name, _qcow2(wanted, where))
    if name == "raw":
        return Target(name, {"preallocation": _raw_preallocation(wanted, where)})
    if name == "vhdx":
        return Target(name, {"block_size": _power_of_two(wanted, "block_size", 0, _BLOCKS, where)})
    if name == "vmdk":
        options = {
            "subformat": wanted["subformat"] or SUBFORMATS[0],
            "adapter_type": wanted["adapter_type"] or ADAPTER_TYPES[0],
            "hwversion": _hardware(wanted, where),
        }
        return Target(name, options)
    if name == "ova":
        # VMware's SCSI controllers, the paravirtual one too, are lsilogic to the disk's descriptor.
        version = _hardware(wanted, where)
        machine = machine_from(wanted["machine"] or {}, version, f"{where}.machine")
        options = {"subformat": "streamOptimized", "adapter_type": "lsilogic", "hwversion": version}
        return Target(name, options, machine)
    return Target(name)


_CLUSTERS = (_SMALLEST_CLUSTER, _LARGEST_CLUSTER)
_BLOCKS = (_SMALLEST_BLOCK, _LARGEST_BLOCK)


def _qcow2(wanted: Mapping[str, t.Any], where: str) -> dict[str, t.Any]:
    compat = wanted["compat"] or COMPATS[0]
    preallocation = wanted["preallocation"] or PREALLOCATIONS[0]
    best = "none" if preallocation != "off" else "zstd" if compat == "1.1" else "zlib"
    compression = wanted["compression"] or best
    if compression == "zstd" and compat == "0.10":
        raise BadRequestError(
            f"{where}: compat 0.10 knows no zstd", "Choose compression: zlib, or leave compat out (QEMU 1.1 and later)"
        )
    if compression != "none" and preallocation != "off":
        raise BadRequestError(
            f"{where}: what is compressed cannot be preallocated", "Choose compression: none, or preallocation: off"
        )
    return {
        "compat": compat,
        "cluster_size": _power_of_two(wanted, "cluster_size", 64 * 1024, _CLUSTERS, where),
        "compression": compression,
        "preallocation": preallocation,
    }


def _raw_preallocation(wanted: Mapping[str, t.Any], where: str) -> str:
    chosen: str = wanted["preallocation"] or "off"
    if chosen == "metadata":
        raise BadRequestError(
            f"{where}.preallocation is metadata, and a raw file has none", "Choose off (sparse), falloc or full"
        )
    return chosen


def _power_of_two(wanted: Mapping[str, t.Any], option: str, default: int, limits: tuple[int, int], where: str) -> int:
    if wanted[option] is None:
        return default
    size = parse_size(wanted[option], f"{where}.{option}")
    if not limits[0] <= size <= limits[1] or size & (size - 1):
        raise BadRequestError(
            f"{where}.{option} is {wanted[option]!r}",
            f"Choose a power of two from {format_size(limits[0])} to {format_size(limits[1])}",
        )
    return size


def _hardware(wanted: Mapping[str, t.Any], where: str) -> int:
    version: int = 13 if wanted["hwversion"] is None else wanted["hwversion"]
    if not 4 <= version <= _NEWEST_HARDWARE:
        raise BadRequestError(
            f"{where}.hwversion is {version}, which is no version of VMware's virtual hardware",
            f"Choose one from 4 to {_NEWEST_HARDWARE}, such as 13 (vSphere 6.5 and later)",
        )
    return version
