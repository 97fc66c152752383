# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fstab(5). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .partitions import Partition

_DEVICE = re.compile(r"/dev/(?:[a-z]+|nvme[0-9]+n[0-9]+p|mmcblk[0-9]+p)(?P<number>[0-9]+)")
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


def partition_of(source: str, partitions: Sequence[Partition]) -> Partition | None:
    """The partition that the first field of a line means; None for what is no partition of this disk.

    Whatever the guest called the disk, its partitions have the same numbers.
    """
    device = _DEVICE.fullmatch(source)
    if device:
        return _one([part for part in partitions if part.number == int(device["number"])])
    tag, equals, value = source.partition("=")
    if source.startswith("/dev/disk/by-"):
        by, dummy, value = source[len("/dev/disk/by-") :].partition("/")
        tag, equals = _BY.get(by, ""), "="
        value = re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), value)
    if not equals:
        return None
    value = value.strip("\"'")
    return _one([part for part in partitions if _has(part, tag, value)])


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
