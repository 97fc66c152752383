# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fstab(5). Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .partitions import Partition

_DEVICE = re.compile(r"/dev/(?P<disk>(?:[hsv]|xv)d[a-z]+|nvme[0-9]+n[0-9]+p|mmcblk[0-9]+p)(?P<number>[0-9]+)")
_FIRST_DISKS = frozenset({"vda", "sda", "hda", "xvda", "nvme0n1p", "mmcblk0p"})
_VOLUME = re.compile(r"/dev/(?:md|dm-|[^/]+/).*|(?:LABEL|UUID|PARTLABEL|PARTUUID)=.*")
_BY = {"label": "LABEL", "uuid": "UUID", "partuuid": "PARTUUID", "partlabel": "PARTLABEL"}


@dataclass(frozen=True)
class Mount:
    """One line."""

    source: str
    point: str
    """``none`` for swap."""
    type: str
    options: str


def parse_fstab(text: str) -> list[Mount]:
    """The lines of an fstab; what is no line of one is left out."""
    found = []
    for line in text.splitlines():
        fields = [_unescape(field) for field in line.split()]
        if len(fields) >= 3 and not fields[0].startswith("#"):
            found.append(Mount(fields[0], fields[1], fields[2], fields[3] if len(fields) > 3 else "defaults"))
    return found


def mounted(fstab: Sequence[Mount], partitions: Sequence[Partition], root: Partition) -> dict[str, Partition]:
    """By mount point, the partitions of the disk that the guest mounts, each of them once.

    What fstab says of ``/`` is not believed, as ``root`` was found.
    """
    disks = _disks(fstab, root)
    found = {"/": root}
    for mount in fstab:
        part = partition_of(mount.source, partitions, disks)
        if part is not None and part not in found.values() and _point(mount):
            found[_point(mount)] = part
    return found


def mounted_from_volumes(fstab: Sequence[Mount], partitions: Sequence[Partition]) -> list[str]:
    """Mount points of what is no partition of this disk, and may be a volume inside one."""
    return [
        _point(mount)
        for mount in fstab
        if _VOLUME.fullmatch(mount.source) and _point(mount) and partition_of(mount.source, partitions) is None
    ]


def partition_of(
    source: str, partitions: Sequence[Partition], disks: Collection[str] = _FIRST_DISKS
) -> Partition | None:
    """The partition that the first field of a line means; None for what is no partition of this disk.

    ``disks``: what the guest may call this disk. Whatever that is, its partitions have the same numbers.
    """
    device = _DEVICE.fullmatch(source)
    if device:
        number = int(device["number"])
        return _one([part for part in partitions if part.number == number and device["disk"] in disks])
    tag, equals, value = source.partition("=")
    if source.startswith("/dev/disk/by-"):
        by, dummy, value = source[len("/dev/disk/by-") :].partition("/")
        tag, equals = _BY.get(by, ""), "="
        value = re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), value)
    if not equals:
        return None
    value = value.strip("\"'")
    return _one([part for part in partitions if _has(part, tag, value)])


def _disks(fstab: Sequence[Mount], root: Partition) -> Collection[str]:
    """What the guest may call the disk with this root: what its fstab says, or else the first disk of any kind."""
    devices = (_DEVICE.fullmatch(mount.source) for mount in fstab if mount.point == "/")
    named = {device["disk"] for device in devices if device and int(device["number"]) == root.number}
    return named or _FIRST_DISKS


def _point(mount: Mount) -> str:
    """Where below the root it is mounted; empty for the root itself, and for what is mounted nowhere."""
    return f"/{posixpath.normpath(mount.point).strip('/')}".rstrip("/") if mount.point.startswith("/") else ""


def _has(part: Partition, tag: str, value: str) -> bool:
    system = part.file_system
    if tag == "LABEL":
        return system is not None and system.label == value
    if tag == "UUID":
        return system is not None and (system.uuid or "").lower() == value.lower()
    if tag == "PARTUUID":
        return (part.uuid or "") == value.lower()
    return tag == "PARTLABEL" and part.name == value


def _one(found: Sequence[Partition]) -> Partition | None:
    return found[0] if len(found) == 1 else None


def _unescape(field: str) -> str:
    r"""Blanks in a field are written ``\040``."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
