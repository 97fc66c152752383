# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system in an image, opened to be read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..common.errors import BadRequestError, GoldsmithError
from ..common.host import Host
from .ext import Ext
from .fstab import Mount, mounted, mounted_from_volumes, parse_fstab
from .partitions import Partition, Table, read_partitions
from .raw import raw_view
from .tree import Tree

READABLE = ("ext2", "ext3", "ext4")
_SIGNS = ("/etc/os-release", "/usr/lib/os-release", "/etc/fstab")
"""What tells the file system with a guest's root, the surest first."""
_WAY_OUT = "Start the guest and ask it there, by the module goldsmith.kvm.image_boot"
_NOT_LOOKED_INTO = ("/boot/efi", "/efi")
"""Boot loaders for UEFI, which nobody asks for."""
_CONTAINERS = {
    "LVM2_member": "belongs to LVM, which is not read",
    "crypto_LUKS": "is encrypted by LUKS",
    "linux_raid_member": "belongs to a software RAID, which is not read",
    "zfs_member": "belongs to ZFS, which is not read",
}
_HIDES = {"xfs": "is xfs, which is not read", "btrfs": "is btrfs, which is not read", **_CONTAINERS}
"""By blkid's word, what may well hold a root."""


@dataclass(frozen=True)
class Guest:
    """What an image holds."""

    image: str
    raw_path: str
    """The disk as a raw file, only to be read."""
    table: Table
    mounts: Mapping[str, Partition]
    """The partitions that were found by the guest's own fstab, by mount point; ``/`` among them where it is known."""
    hidden: Mapping[str, str]
    """The mount points whose files are not in the tree, and why; but not of what is for the firmware."""
    system: Tree | GoldsmithError
    """The files, or why they cannot be read."""

    @property
    def partitions(self) -> Sequence[Partition]:
        return self.table.partitions

    @property
    def tree(self) -> Tree:
        """The files of the guest; raises a GoldsmithError where they cannot be read."""
        if isinstance(self.system, GoldsmithError):
            raise self.system
        return self.system

    def require_nothing_missed(self) -> None:
        """Raise BadRequestError where somebody has looked for files that the guest has and the tree has not."""
        missed = ", ".join(f"{point} ({self.hidden[point]})" for point in sorted(self.tree.missed))
        if missed:
            raise BadRequestError(f"some of the files in {self.image} cannot be read: {missed}", _WAY_OUT)


@contextlib.contextmanager
def opened(host: Host, image: str, image_format: str, workdir: str) -> Iterator[Guest]:
    """Open an image of this format, qemu-img's word, with all that lies below it; ``workdir`` takes a raw copy.

    A system that cannot be read is told by :attr:`Guest.system`, so that the partitions are known all the same.
    Raises what :func:`.raw.raw_view` and :func:`.partitions.read_partitions` do.
    """
    with raw_view(host, image, image_format, workdir) as raw:
        table = read_partitions(host, raw, os.stat(raw).st_size)
        mounts: dict[str, Partition] = {}
        hidden: dict[str, str] = {}
        try:
            root = _root(host, raw, image, table)
            mounts = {"/": root}
            fstab = parse_fstab(Tree({"/": _volume(host, raw, image, root)}).text("/etc/fstab") or "")
            mounts = mounted(fstab, table.partitions, root)
            hidden = _hidden(fstab, table, mounts)
            volumes = {
                point: _volume(host, raw, image, part) for point, part in mounts.items() if _type_of(part) in READABLE
            }
            system: Tree | GoldsmithError = Tree(volumes, hidden)
        except GoldsmithError as error:
            system = error
        yield Guest(image, raw, table, mounts, hidden, system)


def _volume(host: Host, raw: str, image: str, part: Partition) -> Ext:
    return Ext(host, raw, part.start, f"{part.described} of {image}")


def _type_of(part: Partition) -> str:
    """blkid's word, or empty."""
    return part.file_system.type if part.file_system else ""


def _hidden(fstab: Sequence[Mount], table: Table, mounts: Mapping[str, Partition]) -> dict[str, str]:
    """By mount point, why the guest's files there are not read.

    What is on another disk is no part of the image: a volume that is not found counts only if it can be on this one.
    """
    containers = [part for part in table.partitions if _type_of(part) in _CONTAINERS]
    found = {}
    if containers:
        why = ", ".join(f"{part.described} {_CONTAINERS[_type_of(part)]}" for part in containers)
        found = dict.fromkeys(mounted_from_volumes(fstab, table.partitions), why)
    for point, part in mounts.items():
        kind = _type_of(part)
        if kind not in READABLE:
            unknown = f"is {kind}, which is not read" if kind else "holds no file system that is known"
            found[point] = f"{part.described} {_HIDES.get(kind, unknown)}"
    return {point: why for point, why in found.items() if point not in _NOT_LOOKED_INTO}


def _root(host: Host, raw: str, image: str, table: Table) -> Partition:
    """The partition with the guest's root. Raises BadRequestError where there is none that can be read."""
    readable = [part for part in table.partitions if _type_of(part) in READABLE]
    trees = [(part, Tree({"/": _volume(host, raw, image, part)})) for part in readable]
    # A copy of /etc/fstab alone may lie anywhere; what a system calls itself does not.
    for sign in _SIGNS:
        found = [part for part, tree in trees if tree.entry(sign) is not None]
        if len(found) > 1:
            names = ", ".join(part.described for part in found)
            raise BadRequestError(f"{image} holds several systems: {sign} is on {names}", _WAY_OUT)
        if found:
            return found[0]
    raise BadRequestError(_nothing(image, table), _WAY_OUT)


def _nothing(image: str, table: Table) -> str:
    hidden = [f"{part.described} {_HIDES[_type_of(part)]}" for part in table.partitions if _type_of(part) in _HIDES]
    if hidden:
        return f"the files in {image} cannot be read: {', '.join(hidden)}"
    kinds = sorted({part.file_system.type for part in table.partitions if part.file_system})
    seen = f"only {', '.join(kinds)}" if kinds else "no file system at all"
    return f"{image} holds no Linux system that can be read: there is {seen}, and no root on ext2, ext3 or ext4"
