# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit of the files does not see."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import ALWAYS, Context, Finding, Rule


def _unread(context: Context) -> Iterator[Finding]:
    for point, why in sorted(context.disk.unread.items()):
        yield Finding(point, f"cannot be looked into: {why}")


def _snapshots(context: Context) -> Iterator[Finding]:
    for name in context.disk.snapshots:
        yield Finding("", f"the image's file has the snapshot {name} inside, with all that the disk held then")


RULES = (
    Rule(
        "unread",
        """
        All that the image mounts is read, but for the EFI system partition, which has boot loaders and in which secrets
        alone are searched for. What is on a file system other than `ext2`, `ext3` and `ext4`, on LVM or encrypted is
        not proved to be free of anything.
        """,
        "Look there by other means, and allow the mount point with what was found as the reason",
        _unread,
        ALWAYS,
    ),
    Rule(
        "snapshots",
        """
        The image's file has no internal snapshots. They keep what has been deleted since, they are published with the
        file, and they are not searched.
        """,
        "Make an image without them, as by qemu-img convert or the module image_convert",
        _snapshots,
        ALWAYS,
    ),
)
