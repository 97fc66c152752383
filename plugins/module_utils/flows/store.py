# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the store holds, and pruning it."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from ..common.age import format_time, now, parse_age
from ..common.errors import BadRequestError
from ..common.host import Host
from ..common.size import format_size
from ..store.images import Image, Images
from ..store.layers import no_new_builds
from ..store.layout import DEFAULT_ROOT, Layout
from ..store.parts import leftovers, remove_leftovers
from ..store.prune import Decision, decide, superseded
from ..store.references import golden_images
from ..store.unused import UnusedFile, logs_and_payloads, remove_unused_files, unused_files
from .held import held_files


def store_argument_spec() -> dict[str, t.Any]:
    """The options of ``image_store``."""
    return {
        "store": {"type": "path", "default": DEFAULT_ROOT},
        "state": {"type": "str", "choices": ["listed", "pruned"], "default": "listed"},
        "keep": {"type": "int"},
        "age": {"type": "str"},
    }


def manage_store(host: Host, params: Mapping[str, t.Any], check_mode: bool, *, root: str = "/") -> dict[str, t.Any]:
    """What ``image_store`` does and returns; ``params`` are those of :func:`store_argument_spec`.

    ``root`` is where the file system with libvirt's definitions begins.
    """
    layout = Layout(params["store"])
    if params["state"] == "listed":
        for option in ("keep", "age"):
            if params[option] is not None:
                raise BadRequestError(
                    f"{option} is given, but nothing is pruned with state: listed", "Set state: pruned"
                )
        return {"changed": False, "images": _listed(layout, _present(layout))}
    keep, age = params["keep"], params["age"]
    if keep is not None and keep < 0:
        raise BadRequestError(f"keep is {keep}", "Give a number from 0 on")
    moment = None if age is None else now() - parse_age(age)
    present = _present(layout)
    candidates = superseded(present, keep=keep, unused_since=None if moment is None else format_time(moment))
    files = [] if moment is None else unused_files(layout, moment)
    decision, removed = Decision((), {}), []
    if check_mode:
        if candidates:
            decision = decide(candidates, _needed(host, layout, candidates, root))
            removed = list(decision.removed)
    elif candidates or files:
        with no_new_builds(layout):
            if candidates:
                decision = decide(candidates, _needed(host, layout, candidates, root))
                removed = [image for image in decision.removed if Images(layout).delete(image)]
            files = [] if moment is None else remove_unused_files(layout, moment)
    return _result(layout, present, decision, removed, files, check_mode)


def _result(
    layout: Layout,
    present: Iterable[Image],
    decision: Decision,
    removed: list[Image],
    files: list[UnusedFile],
    check_mode: bool,
) -> dict[str, t.Any]:
    """What the module returns of ``state: pruned``, after the leftovers are deleted, too, outside of check mode."""
    left = leftovers(layout) if check_mode else remove_leftovers(layout)
    left += _vanished(layout, check_mode)
    gone = {image.digest for image in removed}
    kept = [image for image in present if image.digest not in gone]
    logs, payloads = logs_and_payloads(layout, files)
    paths = sorted([layout.image(image.digest) for image in removed] + left + logs)
    before, after = dict.fromkeys(paths, "present"), dict.fromkeys(paths, "absent")
    if payloads:
        size = format_size(sum(file.size for file in payloads))
        before[layout.payloads], after[layout.payloads] = f"{len(payloads)} unused, {size}", "none unused"
    return {
        "changed": bool(before),
        "images": _listed(layout, kept),
        "removed": _listed(layout, removed),
        "removed_leftovers": left,
        "removed_files": logs,
        "removed_payloads": len(payloads),
        "needed": [
            {"path": layout.image(digest), "digest": digest, "reasons": list(reasons)}
            for digest, reasons in sorted(decision.needed.items())
        ],
        "freed": sum(image.size for image in removed) + sum(file.size for file in files),
        "diff": {"before": before, "after": after},
    }


def _present(layout: Layout) -> list[Image]:
    """The recorded images whose files are there."""
    return [image for image in Images(layout).all() if os.path.exists(layout.image(image.digest))]


def _vanished(layout: Layout, check_mode: bool) -> list[str]:
    """Paths of the records of images whose files are gone; deletes them outside of check mode."""
    images = Images(layout)
    return [
        images.record_path(image.digest)
        for image in images.all()
        if not os.path.exists(layout.image(image.digest)) and (check_mode or images.forget(image))
    ]


def _listed(layout: Layout, images: Iterable[Image]) -> list[dict[str, t.Any]]:
    golden: dict[str, list[str]] = {}
    for each in golden_images(layout):
        golden.setdefault(each.base_digest, []).append(each.image_path)
    return [
        {
            "path": layout.image(image.digest),
            "digest": image.digest,
            "size": image.size,
            "format": image.format,
            "virtual_size": image.virtual_size,
            "added": image.added,
            "last_used": image.last_used,
            "sources": [
                {
                    "publisher": source.publisher,
                    "product": source.product,
                    "serial": source.serial,
                    "file_type": source.file_type,
                    "release": source.release,
                    "arch": source.arch,
                    "name": source.name,
                    "url": source.urls[0],
                    "published_digest": source.digest,
                    "proof": asdict(source.proof),
                }
                for source in image.sources
            ],
            "golden_images": golden.get(image.digest, []),
        }
        for image in images
    ]


def _needed(host: Host, layout: Layout, candidates: Iterable[Image], root: str) -> dict[str, list[str]]:
    """By digest, why a candidate has to stay."""
    needed: dict[str, list[str]] = {}
    for golden in golden_images(layout):
        needed.setdefault(golden.base_digest, []).append(f"the golden image {golden.image_path} was made from it")
    held = held_files(host, layout, root)
    for image in candidates:
        reasons = needed.setdefault(image.digest, [])
        holders = held.by_path.get(os.path.realpath(layout.image(image.digest)), ())
        reasons += [f"{holder} uses it" for holder in sorted(holders)]
        reasons += [f"it may be in use by {unknown}" for unknown in sorted(held.unknown)]
    if held.unknown:
        host.warn(
            "no image is pruned, because it cannot be told which ones are in use: " + "; ".join(sorted(held.unknown))
        )
    return needed
