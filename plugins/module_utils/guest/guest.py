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
from .fstab import Mount, parse_fstab, partition_of
from .partitions import Partition, Table, read_partitions
from .raw import raw_view
from .tree import Tree

READABLE = ("ext2", "ext3", "ext4")
_SIGNS = ("/etc/os-release", "/usr/lib/os-release", "/etc/fstab")
"""What tells the file system with a guest's root, the surest first."""
_WAY_OUT = "Start the guest and ask it there, by the module goldsmith.kvm.image_boot"
_HIDES = {
    "xfs": "is xfs, which is not read",
    "btrfs": "is btrfs, which is not read",
    "LVM2_member": "belongs to LVM, which is not read",
    "crypto_LUKS": "is encrypted by LUKS",
    "linux_raid_member": "belongs to a software RAID, which is not read",
    "zfs_member": "belongs to ZFS, which is not read",
}
"""By blkid's word, what may well hold a root."""


@dataclass(frozen=True)
class Guest:
    """What an image holds."""

    raw_path: str
    """The disk as a raw file, only to be read."""
    table: Table
    mounts: Mapping[str, Partition]
    """The partitions that were found by the guest's own fstab, by mount point; ``/`` among them where it is known."""
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

    def unread(self) -> dict[str, str]:
        """The mount points whose files are not in the tree, and the type of the file system there."""
        found = {point: part.file_system for point, part in self.mounts.items()}
        return {
            point: kind.type if kind else "unknown"
            for point, kind in found.items()
            if kind is None or kind.type not in READABLE
        }


@contextlib.contextmanager
def opened(host: Host, image: str, image_format: str, workdir: str) -> Iterator[Guest]:
    """Open an image of this format, qemu-img's word, with all that lies below it; ``workdir`` takes a raw copy.

    A system that cannot be read is told by :attr:`Guest.system`, so that the partitions are known all the same.
    Raises what :func:`.raw.raw_view` and :func:`.partitions.read_partitions` do.
    """
    with raw_view(host, image, image_format, workdir) as raw:
        table = read_partitions(host, raw, os.stat(raw).st_size)
        mounts: dict[str, Partition] = {}
        try:
            root = _root(host, raw, image, table)
            mounts = {"/": root}
            volume = _volume(host, raw, image, root)
            fstab = Tree({"/": volume}).text("/etc/fstab") or ""
            mounts.update(_mounts(parse_fstab(fstab), table))
            others = {
                point: _volume(host, raw, image, part)
                for point, part in mounts.items()
                if point != "/" and part.file_system is not None and part.file_system.type in READABLE
            }
            system: Tree | GoldsmithError = Tree({"/": volume, **others})
        except GoldsmithError as error:
            system = error
        yield Guest(raw, table, mounts, system)


def _volume(host: Host, raw: str, image: str, part: Partition) -> Ext:
    return Ext(host, raw, part.start, f"{part.described} of {image}")


def _mounts(fstab: Sequence[Mount], table: Table) -> dict[str, Partition]:
    """Where the guest mounts which partition; what fstab says of ``/`` is not believed, which was found."""
    found = {}
    for mount in fstab:
        part = partition_of(mount.source, table.partitions)
        if part is not None and mount.point.startswith("/") and mount.point != "/":
            found[os.path.normpath(mount.point)] = part
    return found


def _root(host: Host, raw: str, image: str, table: Table) -> Partition:
    """The partition with the guest's root. Raises BadRequestError where there is none that can be read."""
    readable = [part for part in table.partitions if part.file_system and part.file_system.type in READABLE]
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
    hidden = [
        f"{part.described} {_HIDES[part.file_system.type]}"
        for part in table.partitions
        if part.file_system and part.file_system.type in _HIDES
    ]
    if hidden:
        return f"the files in {image} cannot be read: {', '.join(hidden)}"
    kinds = sorted({part.file_system.type for part in table.partitions if part.file_system})
    seen = f"only {', '.join(kinds)}" if kinds else "no file system at all"
    return f"{image} holds no Linux system that can be read: there is {seen}, and no root on ext2, ext3 or ext4"
