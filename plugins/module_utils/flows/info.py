# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image is and holds, without starting or changing it."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from ..common.age import format_time
from ..common.errors import BadRequestError, GoldsmithError, StoreError
from ..common.host import Host
from ..disk.own_layers import own_layers
from ..disk.qemu_img import ImageInfo
from ..store.digests import digest_of
from ..store.layout import DEFAULT_ROOT, Layout
from ..store.published import RECORD_IN_IMAGE, read_build_record, record_path
from .bill_of_materials import documents, software
from .info_drift import drift
from .info_inside import BILLS, INSIDE, OUTSIDE, Inside

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
    if not params["path"]:
        raise BadRequestError("path is empty", "Give the path of an image")
    gather = set(params["gather"])
    path = os.path.realpath(params["path"])
    result: dict[str, t.Any] = {"changed": False, "image_path": path, "obstacle": None}
    # A record beside the image itself is found without looking at the image.
    records = _Records(bool(gather & {"record", "drift", *BILLS}))
    record = records.beside(path)
    layers: Sequence[ImageInfo] = ()
    if gather - {"record"} or record is None:
        layers = own_layers(host, path, params["format"])
        found = (records.beside(layer.path) for layer in layers)
        record = record or next((record for record in found if record is not None), None)
    if "format" in gather:
        result["format"] = _format(layers)
    inside = Inside(host, gather)
    if inside.wanted:
        inside.open(path, layers[0].format, params["workdir"])
        result.update(inside.result)
    obstacle = inside.obstacle or records.obstacle
    if "record" in gather:
        document, source = (record.document, record.path) if record else (inside.record, RECORD_IN_IMAGE)
        result.update(record=document, record_path=source if document is not None else None)
    if "drift" in gather:
        below = _below(host, layers, record, inside, params["workdir"])
        result["drift"] = _drift(params["store"], record, inside, below)
        obstacle = obstacle or (below.obstacle if below is not None else None)
    if gather & set(BILLS):
        result["sbom"] = _bills(params["store"], path, sorted(gather & set(BILLS)), record, inside)
    if obstacle is not None:
        host.warn(f"not everything could be read: {obstacle}")
        result["obstacle"] = {"problem": obstacle.cause, "way_out": obstacle.way_out}
    return t.cast("dict[str, t.Any]", _printable(result))


class _Records:
    """The records beside images, where they are wanted."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self.obstacle: GoldsmithError | None = None
        """Of the first record that is damaged."""

    def beside(self, path: str) -> _Record | None:
        try:
            document = read_build_record(path) if self._wanted else None
        except StoreError as error:
            self.obstacle = self.obstacle or StoreError(
                error.cause, "Put a good copy of it back; keep it until then, as nothing else tells all that it does"
            )
            return None
        return None if document is None else _Record(record_path(path), path, document)


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


def _below(
    host: Host, layers: Sequence[ImageInfo], record: _Record | None, inside: Inside, workdir: str
) -> Inside | None:
    """What is in the image that the record describes; None where that is the image that is asked for."""
    layer = next((layer for layer in layers[1:] if record is not None and layer.path == record.image), None)
    if layer is None:
        return None
    below = Inside(host, {"drift"})
    if inside.packages is not None:
        below.open(layer.path, layer.format, workdir)
    return below


def _drift(store: str, record: _Record | None, inside: Inside, below: Inside | None) -> dict[str, t.Any] | None:
    if record is None:
        return None
    digest = digest_of(Layout(store), record.image, remember=False)
    found = drift(record.document, digest, inside.content, None if below is None else below.content)
    return {"record_path": record.path, **found}


def _bills(
    store: str, path: str, wanted: Sequence[str], record: _Record | None, inside: Inside
) -> dict[str, t.Any] | None:
    """None where the packages are not known."""
    if inside.packages is None or inside.system is None:
        return None
    # One below the image tells of another disk.
    document = record.document if record is not None and record.image == path else {}
    # A copy of the image has another time of modification.
    seconds = os.stat(path).st_mtime if inside.packages_changed is None else inside.packages_changed
    modified = datetime.fromtimestamp(int(seconds), timezone.utc)
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
