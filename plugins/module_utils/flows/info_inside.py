# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image's disk holds."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Sequence
from dataclasses import asdict

from ..common.errors import BadRequestError, GoldsmithError, VerificationError
from ..common.host import Host
from ..guest.cloud_init import read_cloud_init
from ..guest.dpkg import STATUS, STATUS_DIRECTORY, Package, named, read_packages
from ..guest.guest import Guest, opened
from ..guest.kernels import read_boot
from ..guest.partitions import Partition
from ..guest.system import System, read_system
from ..guest.tree import Tree
from ..guest.units import read_units
from ..guest.users import read_users
from ..store.published import RECORD_IN_IMAGE
from .bill_of_materials import FORMATS
from .info_drift import Content

OUTSIDE = ("record", "format")
"""What is told without opening the disk."""
INSIDE = ("partitions", "system", "kernels", "packages", "units", "users", "cloud_init")
BILLS = {f"sbom_{name}": name for name in FORMATS}
"""The bills of materials."""


class Inside:
    """What is told of the disk's content."""

    def __init__(self, host: Host, gather: set[str]) -> None:
        self._host = host
        self._gather = gather
        self.wanted = bool(gather - set(OUTSIDE))
        self.result: dict[str, t.Any] = {name: None for name in INSIDE if name in gather}
        if "partitions" in gather:
            self.result["partition_table"] = None
        self.record: dict[str, t.Any] | None = None
        self.system: System | None = None
        self.packages: list[Package] | None = None
        self.packages_changed: int | None = None
        """When, in seconds since 1970."""
        self.obstacle: GoldsmithError | None = None

    def open(self, path: str, image_format: str, workdir: str) -> None:
        """Fill everything in that can be read; what stands in the way becomes the obstacle.

        Raises a GoldsmithError where it is not the image that stands in the way.
        """
        try:
            with opened(self._host, path, image_format, workdir) as guest:
                self._read(guest)
        except (BadRequestError, VerificationError) as error:
            self.obstacle = error

    @property
    def content(self) -> Content:
        """What is compared with a record."""
        return Content(
            packages=None if self.packages is None else named(self.packages),
            os_release=None if self.system is None else self.system.os_release,
            fingerprint=None if self.record is None else self.record.get("fingerprint"),
            complete=self.obstacle is None and self.packages is not None,
        )

    def _read(self, guest: Guest) -> None:
        if "partitions" in self._gather:
            points = {part: point for point, part in guest.mounts.items()}
            self.result["partition_table"] = guest.table.label
            self.result["partitions"] = [_partition(part, points.get(part)) for part in guest.partitions]
        if self._gather - {*OUTSIDE, "partitions"}:
            self._read_tree(guest.tree)
            guest.require_nothing_missed()

    def _read_tree(self, tree: Tree) -> None:
        gather = self._gather
        self.record = _record_inside(tree)
        if gather & {"system", "drift", *BILLS}:
            self.system = read_system(tree)
        if "system" in gather:
            self.result["system"] = asdict(t.cast("System", self.system))
        if "kernels" in gather:
            self.result["kernels"] = asdict(read_boot(tree))
        if gather & {"packages", "drift", *BILLS}:
            self.packages = read_packages(tree)
        if gather & {*BILLS}:
            files = (tree.entry(STATUS), *tree.list(STATUS_DIRECTORY))
            self.packages_changed = max((file.mtime for file in files if file is not None), default=None)
        if "packages" in gather:
            self.result["packages"] = _packages(self.packages)
        if "units" in gather:
            self.result["units"] = asdict(read_units(tree))
        if "users" in gather:
            self.result["users"] = [asdict(user) for user in read_users(tree)]
        if "cloud_init" in gather:
            found = read_cloud_init(tree)
            self.result["cloud_init"] = None if found is None else asdict(found)


def _record_inside(tree: Tree) -> dict[str, t.Any] | None:
    """The record that a build left in the image; what is no record any more is none."""
    try:
        document = json.loads(tree.text(RECORD_IN_IMAGE) or "null")
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _partition(part: Partition, mount_point: str | None) -> dict[str, t.Any]:
    return {**asdict(part), "mount_point": mount_point}


def _packages(packages: Sequence[Package] | None) -> list[dict[str, t.Any]] | None:
    return None if packages is None else [asdict(package) for package in packages]
