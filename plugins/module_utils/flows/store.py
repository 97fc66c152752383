# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the store holds, and pruning it."""

from __future__ import annotations

import contextlib
import os
import typing as t
from collections.abc import Container, Iterable, Mapping
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
from .held import Held, held_files
from .store_golden import GoldenPruning, golden_result, listed_golden, plan_golden, prune_golden
from .store_golden_request import golden_argument_spec, golden_wish


def store_argument_spec() -> dict[str, t.Any]:
    """The options of ``image_store``."""
    return {
        "store": {"type": "path", "default": DEFAULT_ROOT},
        "state": {"type": "str", "choices": ["listed", "pruned"], "default": "listed"},
        "keep": {"type": "int"},
        "age": {"type": "str"},
        "golden": golden_argument_spec(),
    }


def manage_store(host: Host, params: Mapping[str, t.Any], check_mode: bool, *, root: str = "/") -> dict[str, t.Any]:
    """What ``image_store`` does and returns; ``params`` are those of :func:`store_argument_spec`.

    ``root`` is where the file system with libvirt's definitions begins.
    """
    layout = Layout(params["store"])
    if params["state"] == "listed":
        for option in ("keep", "age", "golden"):
            if params[option] is not None:
                raise BadRequestError(
                    f"{option} is given, but nothing is pruned with state: listed", "Set state: pruned"
                )
        return {"changed": False, "images": _listed(layout, _present(layout)), "golden_images": listed_golden(layout)}
    keep, age = params["keep"], params["age"]
    if keep is not None and keep < 0:
        raise BadRequestError(f"keep is {keep}", "Give a number from 0 on")
    wish = golden_wish(params["golden"], check_mode)
    moment = None if age is None else now() - parse_age(age)
    since = None if moment is None else format_time(moment)
    present = _present(layout)
    candidates = superseded(present, keep=keep, unused_since=since)
    files = [] if moment is None else unused_files(layout, moment)
    with contextlib.ExitStack() as stack:

        def take_lock(name: str) -> bool:
            return not layout.is_locked(name) if check_mode else stack.enter_context(layout.try_lock(name))

        golden = GoldenPruning() if wish is None else plan_golden(layout, wish, since, take_lock)
        if not check_mode and (candidates or files or golden.candidates):
            stack.enter_context(no_new_builds(layout))
        held = _held(host, layout, root) if candidates or golden.candidates else Held()
        prune_golden(golden, layout, held, check_mode)
        # An image whose golden images have just gone may go with them.
        decision = decide(candidates, _needed(layout, candidates, held, golden))
        removed = [image for image in decision.removed if check_mode or Images(layout).delete(image)]
        if files and not check_mode and moment is not None:
            files = remove_unused_files(layout, moment)
    return _result(layout, present, decision, removed, files, golden, check_mode)


def _result(
    layout: Layout,
    present: Iterable[Image],
    decision: Decision,
    removed: list[Image],
    files: list[UnusedFile],
    golden: GoldenPruning,
    check_mode: bool,
) -> dict[str, t.Any]:
    """What the module returns of ``state: pruned``, after the leftovers are deleted, too, outside of check mode."""
    left = leftovers(layout) if check_mode else remove_leftovers(layout)
    left += _vanished(layout, check_mode)
    left += [path for each in golden.removed if each.is_leftover for path in each.files]
    gone = {image.digest for image in removed}
    kept = [image for image in present if image.digest not in gone]
    logs, payloads = logs_and_payloads(layout, files)
    superseded_images = [each for each in golden.removed if not each.is_leftover]
    with_golden = [path for each in superseded_images for path in each.files]
    paths = sorted([layout.image(image.digest) for image in removed] + left + logs + with_golden)
    before, after = dict.fromkeys(paths, "present"), dict.fromkeys(paths, "absent")
    if payloads:
        size = format_size(sum(file.size for file in payloads))
        before[layout.payloads], after[layout.payloads] = f"{len(payloads)} unused, {size}", "none unused"
    return {
        "changed": bool(before),
        "images": _listed(layout, kept, golden.gone),
        "removed": _listed(layout, removed, golden.gone),
        "removed_leftovers": left,
        "removed_files": logs,
        "removed_payloads": len(payloads),
        "needed": [
            {"path": layout.image(digest), "digest": digest, "reasons": list(reasons)}
            for digest, reasons in sorted(decision.needed.items())
        ],
        **golden_result(layout, golden),
        "freed": sum(image.size for image in removed)
        + sum(file.size for file in files)
        + sum(each.freed for each in golden.removed),
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


def _listed(layout: Layout, images: Iterable[Image], gone: Container[str] = ()) -> list[dict[str, t.Any]]:
    golden: dict[str, list[str]] = {}
    for each in golden_images(layout, gone):
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


def _held(host: Host, layout: Layout, root: str) -> Held:
    """What domains and builds hold, with a warning if that cannot be told."""
    held = held_files(host, layout, root)
    if held.unknown:
        host.warn(
            "no image is pruned, because it cannot be told which ones are in use: " + "; ".join(sorted(held.unknown))
        )
    return held


def _needed(layout: Layout, candidates: Iterable[Image], held: Held, golden: GoldenPruning) -> dict[str, list[str]]:
    """By digest, why a candidate has to stay."""
    needed: dict[str, list[str]] = {}
    for each in golden_images(layout, golden.gone):
        needed.setdefault(each.base_digest, []).append(f"the golden image {each.image_path} was made from it")
    for image in candidates:
        reasons = needed.setdefault(image.digest, [])
        holders = held.by_path.get(os.path.realpath(layout.image(image.digest)), ())
        reasons += [f"{holder} uses it" for holder in sorted(holders)]
        reasons += [f"it may be in use by {unknown}" for unknown in sorted(held.unknown)]
    return needed
