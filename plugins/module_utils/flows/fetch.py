# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verified image into the store: request → item → bytes → disk image → record."""

from __future__ import annotations

import contextlib
import os
import platform
import typing as t
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from ..catalog.model import Item
from ..catalog.options import catalog_argument_spec, request_from, trust_from
from ..catalog.resolve import resolve
from ..common.age import format_time, now
from ..common.errors import BadRequestError, VerificationError
from ..common.file_attributes import Attributes
from ..common.host import Host
from ..common.module_host import http_argument_spec
from ..common.size import parse_size
from ..common.stages import Stages
from ..disk.qemu_img import PACKAGE, inspect, refuse_foreign_files
from ..store.files import identity_of, publish, refusal
from ..store.images import Image, Images, require_digest
from ..store.layout import DEFAULT_ROOT, Layout, hex_of, name_of
from ..store.offline import recall
from ..store.parts import part_lock, part_path
from ..store.proved import newest_proved, note_proved, refuse_older
from ..transfer.download import Transferred, download
from ..transfer.unpack import unpack
from .packing import Packing, packing_of

_MODE = 0o444
"""Of a new image: an overlay that is backed by it would be corrupted by a write."""
_ITEMS_LISTED = 10


def fetch_argument_spec() -> dict[str, t.Any]:
    """The options of ``image_fetch``; owner, group, mode and so on are added by ``add_file_common_args``."""
    return {
        **catalog_argument_spec(),
        **http_argument_spec(),
        "store": {"type": "path", "default": DEFAULT_ROOT},
        "offline": {"type": "bool", "default": False},
        "allow_older": {"type": "bool", "default": False},
        "connections": {"type": "int", "default": 4},
        "rate_limit": {"type": "str"},
        "retries": {"type": "int", "default": 5},
    }


def fetch_image(host: Host, params: Mapping[str, t.Any], check_mode: bool, attributes: Attributes) -> dict[str, t.Any]:
    """What ``image_fetch`` does and returns; ``params`` are those of :func:`fetch_argument_spec`."""
    limits = _limits(params)
    stages = Stages()
    fetch = _Fetch(host, Layout(params["store"]), stages, attributes, check_mode)
    with stages("resolve"):
        item = fetch.wanted(params)
    with stages("look_up"):
        image = fetch.held(item)
    if image is not None:
        return fetch.unchanged(image, item)
    if check_mode:
        return fetch.predicted(item, params.get("mode"))
    with part_lock(fetch.layout, _key(item)):
        # Another run may have brought it while this one waited.
        image = fetch.held(item)
        return fetch.brought(item, limits, params.get("mode")) if image is None else fetch.unchanged(image, item)


def _limits(params: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The arguments of ``download`` that options give."""
    for option, least in (("connections", 1), ("retries", 0)):
        if params[option] < least:
            raise BadRequestError(f"{option} is {params[option]}", f"Give a number from {least} on")
    rate_limit = parse_size(params["rate_limit"], "rate_limit") if params["rate_limit"] else None
    if rate_limit == 0:
        raise BadRequestError("rate_limit is 0: nothing would ever arrive", "Leave it out for no limit")
    return {"connections": params["connections"], "retries": params["retries"], "rate_limit": rate_limit}


def _key(item: Item) -> str:
    """What tells the file on its way from all others."""
    return hex_of(item.digest) or name_of(item.urls[0])


@contextlib.contextmanager
def _useless_removed(path: str, item: Item) -> Iterator[None]:
    """Remove the file that turns out to be no image to work with; fetching it again would not help."""
    try:
        yield
    except (VerificationError, BadRequestError) as error:
        os.unlink(path)
        raise VerificationError(
            f"{item.urls[0]} was fetched whole, but is not an image to work with: "
            f"{error.cause.replace(path, item.name)}",
            error.way_out,
        ) from error


@dataclass(frozen=True)
class _Fetch:
    """One call of the module."""

    host: Host
    layout: Layout
    stages: Stages
    attributes: Attributes
    check_mode: bool

    @property
    def images(self) -> Images:
        return Images(self.layout)

    def wanted(self, params: Mapping[str, t.Any]) -> Item:
        """The one item that the options mean, proved now or before."""
        request, trust = request_from(params, platform.machine()), trust_from(params)
        if not self.check_mode:
            self.layout.ensure()
        if params["offline"]:
            present = [image for image in self.images.all() if os.path.exists(self.layout.image(image.digest))]
            return recall(present, request, trust)
        items = resolve(self.host, request, trust, check_mode=self.check_mode)
        if len(items) > 1:
            names = [f"{item.name} {item.serial}".rstrip() for item in items]
            more = f" and {len(names) - _ITEMS_LISTED} more" if len(names) > _ITEMS_LISTED else ""
            raise BadRequestError(
                f"the options mean {len(items)} files, and one can be fetched: "
                + ", ".join(names[:_ITEMS_LISTED])
                + more,
                "Name one by "
                + ("file_name" if request.publisher == "directory" else "release, arch, serial and file_type"),
            )
        is_newest = request.serial == "latest" and bool(items[0].serial)
        if is_newest and not params["allow_older"]:
            refuse_older(newest_proved(self.layout, items[0]), items[0])
        if not self.check_mode:
            note_proved(self.layout, items[0], is_newest=is_newest)
        return items[0]

    def held(self, item: Item) -> Image | None:
        """The image in the store that the item is, if it is there and whole."""
        image = self.images.published_as(item.digest) if item.digest else None
        identity = None if image is None else self.images.present_identity(image)
        if image is None or identity is None:
            return None
        if not self.check_mode and not self.images.use(image, identity, item):
            return None
        return image

    def unchanged(self, image: Image, item: Item, transferred: Transferred | None = None) -> dict[str, t.Any]:
        """The result when the image is there; its owner, mode and so on may still have to be set right."""
        diff: dict[str, dict[str, t.Any]] = {"before": {}, "after": {}}
        changed = self.attributes.apply(self.layout.image(image.digest), diff)
        return self._result(changed, diff, item, image, transferred)

    def predicted(self, item: Item, mode: t.Any) -> dict[str, t.Any]:
        """The result in check mode when the image is not there."""
        packing = packing_of(item)
        if packing.is_disk and self.host.which("qemu-img") is None:
            self.host.warn(f"qemu-img is not installed: fetching the image needs it. Install the package {PACKAGE}")
        return self._result(True, self._appearance(item, self._predicted_digest(item, packing), mode), item, None, None)

    def brought(self, item: Item, limits: Mapping[str, t.Any], mode: t.Any) -> dict[str, t.Any]:
        """The result after fetching the image."""
        packing = packing_of(item)
        if packing.is_disk:
            self.host.require("qemu-img", PACKAGE)
        digest = self._predicted_digest(item, packing)
        if digest is not None and os.path.exists(self.layout.image(digest)):
            # A run was killed between publishing and recording it.
            require_digest(self.layout.image(digest), digest)
            image = self._described(self.layout.image(digest), digest, item, packing)
            self.attributes.apply(self.layout.image(digest), {"before": {}, "after": {}})
            transferred = None
        else:
            part = part_path(self.layout, _key(item))
            with self.stages("download"):
                transferred = download(self.host, item.urls, part, expected=item.digest, size=item.size, **limits)
            others = (url for url in item.urls if url != transferred.url)
            item = replace(item, digest=item.digest or transferred.digest, urls=(transferred.url, *others))
            finished, digest = self._unpacked(part, transferred.digest, item, packing)
            known = self.images.get(digest)
            identity = None if known is None else self.images.present_identity(known)
            if known is not None and identity is not None and self.images.use(known, identity, item):
                # What the publisher states could not tell that these bytes were there already.
                os.unlink(finished)
                return self.unchanged(known, item, transferred)
            image = self._published(finished, digest, item, packing)
        self.images.add(image)
        return self._result(True, self._appearance(item, image.digest, mode), item, image, transferred)

    def _unpacked(self, part: str, digest: str, item: Item, packing: Packing) -> tuple[str, str]:
        """The file that belongs into the store, and its digest."""
        if not packing.packed:
            return part, digest
        with self.stages("unpack"), _useless_removed(part, item):
            unpacked = unpack(self.host, part, f"{part}.unpacked")
        if unpacked is None:
            return part, digest
        os.unlink(part)
        return f"{part}.unpacked", unpacked.digest

    def _published(self, finished: str, digest: str, item: Item, packing: Packing) -> Image:
        with self.stages("inspect"), _useless_removed(finished, item):
            image = self._described(finished, digest, item, packing)
        with self.stages("publish"):
            try:
                os.chmod(finished, _MODE)
                self.attributes.apply(finished, {"before": {}, "after": {}})
                publish(finished, self.layout.image(digest))
            except OSError as error:
                raise refusal(finished, error) from error
        return image

    def _described(self, path: str, digest: str, item: Item, packing: Packing) -> Image:
        """The record of the file at ``path``. Raises VerificationError when it is not the image that it should be."""
        image_format, virtual_size = "", None
        if packing.is_disk:
            info = inspect(self.host, path, expected_format=packing.format)
            refuse_foreign_files(info)
            image_format, virtual_size = info.format, info.virtual_size
        identity = identity_of(path)
        if identity is None:
            raise VerificationError(f"{path} has vanished while it was looked at", "Run again")
        moment = format_time(now())
        return Image(digest, identity.size, identity, image_format, virtual_size, (item,), moment, moment)

    @staticmethod
    def _predicted_digest(item: Item, packing: Packing) -> str | None:
        """The digest of the file in the store, if that can be told before the file is there."""
        return item.digest if item.digest.startswith("sha256:") and not packing.packed else None

    def _appearance(self, item: Item, digest: str | None, mode: t.Any) -> dict[str, dict[str, t.Any]]:
        """The diff of an image that was not there."""
        path = None if digest is None else self.layout.image(digest)
        # YAML reads an unquoted 0440 as a number.
        shown = _MODE if mode is None else mode
        shown = f"{shown:04o}" if isinstance(shown, int) else shown
        return {
            "before": {"state": "absent"},
            "after": {"state": "present", "path": path, "digest": digest, "serial": item.serial, "mode": shown},
        }

    def _result(
        self,
        changed: bool,
        diff: dict[str, dict[str, t.Any]],
        item: Item,
        image: Image | None,
        transferred: Transferred | None,
    ) -> dict[str, t.Any]:
        packing = packing_of(item)
        digest = self._predicted_digest(item, packing) if image is None else image.digest
        size = (None if packing.packed else item.size) if image is None else image.size
        return {
            "changed": changed,
            "diff": diff,
            "image": {
                "path": None if digest is None else self.layout.image(digest),
                "digest": digest,
                "size": size,
                "format": packing.format if image is None else image.format,
                "virtual_size": None if image is None else image.virtual_size,
                "publisher": item.publisher,
                "product": item.product,
                "serial": item.serial,
                "file_type": item.file_type,
                "release": item.release,
                "version": item.version,
                "lineage": item.lineage,
                "arch": item.arch,
                "stream": item.stream,
                "name": item.name,
                "url": item.urls[0],
                "published_digest": item.digest,
                "proof": asdict(item.proof),
            },
            "transfer": {
                "bytes": transferred.bytes if transferred else 0,
                "seconds": transferred.seconds if transferred else 0.0,
                "resumed_from": transferred.resumed_from if transferred else 0,
                "connections": transferred.connections if transferred else 0,
            },
            "stages": self.stages.seconds,
        }
