# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image is and holds, without starting or changing it."""

from __future__ import annotations

import json
import os
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from ..common.age import format_time
from ..common.errors import BadRequestError, GoldsmithError, VerificationError
from ..common.host import Host
from ..disk.own_layers import own_layers
from ..disk.qemu_img import ImageInfo
from ..guest.cloud_init import read_cloud_init
from ..guest.dpkg import Package, named, read_packages
from ..guest.guest import Guest, opened
from ..guest.kernels import read_boot
from ..guest.partitions import Partition
from ..guest.system import System, read_system
from ..guest.tree import Tree
from ..guest.units import read_units
from ..guest.users import read_users
from ..store.digests import digest_of
from ..store.layout import DEFAULT_ROOT, Layout
from ..store.published import RECORD_IN_IMAGE, read_build_record, record_path
from .bill_of_materials import FORMATS, documents, software
from .info_drift import drift

OUTSIDE = ("record", "format")
"""What is told without opening the disk."""
INSIDE = ("partitions", "system", "kernels", "packages", "units", "users", "cloud_init")
BILLS = {f"sbom_{name}": name for name in FORMATS}
"""The bills of materials."""
GATHERED = (*OUTSIDE, *INSIDE, "drift", *BILLS)
DEFAULT = (*OUTSIDE, *INSIDE)

_FORMATS = ("qcow2", "raw", "vmdk", "vhdx", "vpc", "vdi", "qcow", "qed")


def info_argument_spec() -> dict[str, t.Any]:
    """The options of ``image_info``."""
    return {
        "path": {"type": "path", "required": True},
        "format": {"type": "str", "choices": list(_FORMATS)},
        "gather": {"type": "list", "elements": "str", "choices": list(GATHERED), "default": list(DEFAULT)},
        "workdir": {"type": "path", "default": "/var/tmp"},
        "store": {"type": "path", "default": DEFAULT_ROOT},
    }


@dataclass(frozen=True)
class _Record:
    """A build record, and the file of the backing chain that it describes."""

    path: str
    image: str
    document: dict[str, t.Any]


def inspect_image(host: Host, params: Mapping[str, t.Any], dummy: bool) -> dict[str, t.Any]:
    """What ``image_info`` does and returns; ``params`` are those of :func:`info_argument_spec`.

    Check mode is no different.
    """
    gather = set(params["gather"])
    path = os.path.realpath(params["path"])
    result: dict[str, t.Any] = {"changed": False, "image_path": path, "obstacle": None}
    # A record beside the image itself is found without looking at the image.
    record = _record_beside(path)
    layers: Sequence[ImageInfo] = ()
    if gather - {"record"} or record is None:
        layers = own_layers(host, path, params["format"])
        found = (_record_beside(layer.path) for layer in layers)
        record = record or next((record for record in found if record is not None), None)
    if "format" in gather:
        result["format"] = _format(layers)
    inside = _Inside(host, gather)
    if inside.wanted:
        try:
            with opened(host, path, layers[0].format, params["workdir"]) as guest:
                inside.read(guest)
        except (BadRequestError, VerificationError) as error:
            inside.obstacle = error
        if inside.obstacle is not None:
            host.warn(f"not everything could be read: {inside.obstacle}")
            result["obstacle"] = {"problem": inside.obstacle.cause, "way_out": inside.obstacle.way_out}
        result.update(inside.result)
    if "record" in gather:
        document, source = (record.document, record.path) if record else (inside.record, RECORD_IN_IMAGE)
        result.update(record=document, record_path=source if document is not None else None)
    if "drift" in gather:
        result["drift"] = _drift(params["store"], record, inside)
    if gather & set(BILLS):
        result["sbom"] = _bills(params["store"], path, sorted(gather & set(BILLS)), record, inside)
    return t.cast("dict[str, t.Any]", _printable(result))


class _Inside:
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
        self.obstacle: GoldsmithError | None = None

    def read(self, guest: Guest) -> None:
        """Fill everything in that can be read; what stands in the way is raised."""
        if "partitions" in self._gather:
            points = {part: point for point, part in guest.mounts.items()}
            self.result["partition_table"] = guest.table.label
            self.result["partitions"] = [_partition(part, points.get(part)) for part in guest.partitions]
        if self._gather - {*OUTSIDE, "partitions"}:
            self._read_tree(guest.tree)

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
        if "packages" in gather:
            self.result["packages"] = _packages(self.packages)
        if "units" in gather:
            self.result["units"] = asdict(read_units(tree))
        if "users" in gather:
            self.result["users"] = [asdict(user) for user in read_users(tree)]
        if "cloud_init" in gather:
            found = read_cloud_init(tree)
            self.result["cloud_init"] = None if found is None else asdict(found)


def _record_beside(path: str) -> _Record | None:
    document = read_build_record(path)
    return None if document is None else _Record(record_path(path), path, document)


def _record_inside(tree: Tree) -> dict[str, t.Any] | None:
    """The record that a build left in the image; what is no record any more is none."""
    try:
        document = json.loads(tree.text(RECORD_IN_IMAGE) or "null")
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _format(layers: Sequence[ImageInfo]) -> dict[str, t.Any]:
    image = layers[0]
    return {
        "format": image.format,
        "virtual_size": image.virtual_size,
        "size": os.stat(image.path).st_size,
        "actual_size": image.actual_size,
        "cluster_size": image.cluster_size,
        "compression": image.compression,
        "backing_chain": [
            {
                "path": layer.path,
                "format": layer.format,
                "virtual_size": layer.virtual_size,
                "actual_size": layer.actual_size,
            }
            for layer in layers[1:]
        ],
    }


def _partition(part: Partition, mount_point: str | None) -> dict[str, t.Any]:
    return {**asdict(part), "mount_point": mount_point}


def _packages(packages: Sequence[Package] | None) -> list[dict[str, t.Any]] | None:
    return None if packages is None else [asdict(package) for package in packages]


def _drift(store: str, record: _Record | None, inside: _Inside) -> dict[str, t.Any] | None:
    if record is None:
        return None
    packages = None if inside.packages is None else named(inside.packages)
    found = drift(
        record.document,
        digest=digest_of(Layout(store), record.image, remember=False),
        packages=packages,
        os_release=None if inside.system is None else inside.system.os_release,
        inside=inside.record,
    )
    return {"record_path": record.path, **found}


def _bills(
    store: str, path: str, wanted: Sequence[str], record: _Record | None, inside: _Inside
) -> dict[str, t.Any] | None:
    """None where the packages are not known."""
    if inside.packages is None or inside.system is None:
        return None
    # One below the image tells of another disk.
    document = record.document if record is not None and record.image == path else {}
    modified = datetime.fromtimestamp(int(os.stat(path).st_mtime), timezone.utc)
    described = software(
        name=str(document.get("name") or os.path.basename(path)),
        version=str(document.get("base", {}).get("serial") or ""),
        digest=digest_of(Layout(store), path, remember=False),
        created=str(document.get("created") or format_time(modified)),
        os_release=inside.system.os_release,
        packages=inside.packages,
    )
    return documents([BILLS[name] for name in wanted], described)


def _printable(value: t.Any) -> t.Any:
    """A guest's bytes that are no text, written as ``\\udcXX``."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_printable(key): _printable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(entry) for entry in value]
    return value
