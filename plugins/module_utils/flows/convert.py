# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One image into several formats at a time: request → source → plans → published files and records."""

from __future__ import annotations

import functools
import os
import typing as t
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from ..common.errors import GoldsmithError, StoreError
from ..common.file_attributes import Attributes
from ..common.host import Host
from ..common.space import require_free_space
from ..disk import convert, qemu_img
from ..store.layout import Layout
from ..store.signing import PACKAGE as GPG_PACKAGE
from ..store.signing import Signer, checksum_path, signature_path
from .convert_output import Worker
from .convert_plan import Done, Plan, Source, find_source, plan_output, wanted_options
from .convert_request import Output, Request, record_path, request_from
from .held import Held, held_files


def convert_image(
    host: Host, params: Mapping[str, t.Any], check_mode: bool, attributes: Attributes, root: str = "/"
) -> dict[str, t.Any]:
    """What ``image_convert`` does and returns; ``params`` are those of ``convert_argument_spec()``.

    ``root`` is where the file system with libvirt's definitions begins.
    """
    request = request_from(params)
    layout = Layout(params["store"])
    if not check_mode:
        layout.ensure()
    source = find_source(host, layout, request, check_mode)
    held = functools.lru_cache(maxsize=None)(functools.partial(_held, host, layout, root))
    plans = [plan_output(layout, request, output, source, held, remember=not check_mode) for output in request.outputs]
    if source is not None and source.info is not None:
        for index, output in enumerate(request.outputs):
            convert.require_size(output.target, source.info, f"outputs[{index}]")
    if check_mode:
        _warn_of_obstacles(host, layout, source, plans, attributes)
    if check_mode or not any(plan.changes or plan.compares for plan in plans):
        done: list[Done] = [(plan, plan.record, 0.0) for plan in plans]
    else:
        done = _convert(host, layout, request, t.cast(Source, source), plans, held, attributes)
    return _result(request, source, done, attributes, check_mode)


def _held(host: Host, layout: Layout, root: str) -> Held:
    held = held_files(host, layout, root)
    for sentence in sorted(held.unknown):
        host.warn(f"a file is replaced that this may need: {sentence}")
    return held


def _warn_of_obstacles(
    host: Host, layout: Layout, source: Source | None, plans: Sequence[Plan], attributes: Attributes
) -> None:
    """In check mode: warn of what the host lacks for the run."""
    written = {_nearest_directory(os.path.dirname(plan.output.dest)) for plan in plans if plan.changes}
    for directory in sorted({*written, _nearest_directory(layout.root)}):
        if not os.access(directory, os.W_OK | os.X_OK):
            host.warn(f"nothing can be converted as it is: this user may not write to {directory}")
    if source is not None and source.info is not None:
        try:
            _require_space(host, source.info, [plan.output for plan in plans if plan.reasons])
        except StoreError as error:
            host.warn(f"not everything can be converted as it is: {error}")
    if any("signature" in plan.beside for plan in plans) and host.which("gpg") is None:
        host.warn(f"nothing can be signed on this host as it is: gpg is not installed (package {GPG_PACKAGE})")
    for unknown in attributes.unknown():
        host.warn(f"nothing can be written as it is asked: this host does not know the {unknown}")


def _convert(
    host: Host,
    layout: Layout,
    request: Request,
    source: Source,
    plans: Sequence[Plan],
    held: t.Callable[[], Held],
    attributes: Attributes,
) -> list[Done]:
    info = t.cast(qemu_img.ImageInfo, source.info)
    _require_attributes(host, attributes)
    _require_space(host, info, [plan.output for plan in plans if plan.reasons])
    signer = None
    if request.signing_key is not None:
        signer = Signer(host, layout, request.signing_key, request.gnupghome, request.signing_passphrase)
        signer.require_able()
    worker = Worker(host, layout, request, source, info, held, attributes, signer)
    with ThreadPoolExecutor(min(request.parallel, len(plans))) as pool:
        futures: list[Future[Done]] = [pool.submit(worker.carry_out, plan.output) for plan in plans]
        wait(futures, return_when=FIRST_EXCEPTION)
        # What is being written is finished; what has not begun is for the next run.
        for future in futures:
            future.cancel()
    _raise_failures(futures)
    return [future.result() for future in futures]


def _raise_failures(futures: Sequence[Future[Done]]) -> None:
    """Raise the first error, with the causes of the others."""
    failures = [future.exception() for future in futures if not future.cancelled() and future.exception() is not None]
    for failure in failures:
        if not isinstance(failure, GoldsmithError):
            raise t.cast(BaseException, failure)
    if failures:
        first, *others = t.cast("list[GoldsmithError]", failures)
        first.cause = "; ".join([first.cause, *(other.cause for other in others if other.cause != first.cause)])
        written = [future.result()[0] for future in futures if not future.cancelled() and future.exception() is None]
        first.details["written"] = [plan.output.dest for plan in written if plan.changes]
        raise first


def _require_attributes(host: Host, attributes: Attributes) -> None:
    """Find out before the work whether a file can be given them: an unknown owner ends the module."""
    path = os.path.join(host.tmpdir, "attributes")
    with open(path, "wb"):
        attributes.apply(path, {"before": {}, "after": {}})
    os.unlink(path)


def _require_space(host: Host, info: qemu_img.ImageInfo, outputs: Sequence[Output]) -> None:
    """Raise StoreError when the outputs do not find room together."""
    needed: dict[int, tuple[str, int]] = {}
    for output in outputs:
        directory = _nearest_directory(os.path.dirname(output.dest))
        device = os.stat(directory).st_dev
        known = needed.get(device, (directory, 0))
        needed[device] = (known[0], known[1] + convert.needed_bytes(host, info, output.target))
    for directory, size in needed.values():
        require_free_space(directory, size, "What is to be written")


def _nearest_directory(path: str) -> str:
    """The directory, or the one that is there on the way to it."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _result(
    request: Request, source: Source | None, done: Sequence[Done], attributes: Attributes, check_mode: bool
) -> dict[str, t.Any]:
    outputs, diffs = [], []
    for plan, record, seconds in done:
        diff = _diff(plan, source)
        changed = plan.changes
        if not plan.reasons and _apply(request, plan, attributes, diff):
            changed = True
        if changed:
            diffs.append({"before_header": plan.output.dest, "after_header": plan.output.dest, **diff})
        outputs.append(_output(request, plan, record, source, seconds, changed, check_mode))
    info = None if source is None else source.info
    return {
        "changed": any(output["changed"] for output in outputs),
        "source": {
            "path": request.path or None,
            "digest": None if source is None else source.digest,
            "format": None if info is None else info.format,
            "virtual_size": None if info is None else info.virtual_size,
        },
        "outputs": outputs,
        "diff": diffs,
    }


def _apply(request: Request, plan: Plan, attributes: Attributes, diff: dict[str, dict[str, t.Any]]) -> bool:
    """Put owner, group and mode right of what is there."""
    dest = plan.output.dest
    paths = [dest]
    if request.checksum and "checksum" not in plan.beside:
        paths.append(checksum_path(dest))
    if request.signing_key is not None and "signature" not in plan.beside:
        paths.append(signature_path(dest))
    # Each of them, and not only up to the first that needs it.
    return True in [attributes.apply(path, diff) for path in paths]


def _diff(plan: Plan, source: Source | None) -> dict[str, dict[str, t.Any]]:
    """What is there and what is wanted, for ``--diff``."""
    if not plan.changes:
        return {"before": {}, "after": {}}
    before: dict[str, t.Any] = {}
    if plan.record is not None and "missing" not in plan.reasons:
        before = {"source": plan.record["source"]["digest"], **plan.record["options"]}
    after = {"source": None if source is None else source.digest, **wanted_options(plan.output)}
    told = {"reasons": list(plan.reasons), "written_beside": list(plan.beside)}
    return {"before": before, "after": {**after, **{key: value for key, value in told.items() if value}}}


def _output(
    request: Request,
    plan: Plan,
    record: Mapping[str, t.Any] | None,
    source: Source | None,
    seconds: float,
    changed: bool,
    check_mode: bool,
) -> dict[str, t.Any]:
    output = plan.output
    known = record if not (check_mode and plan.reasons) else None
    image: Mapping[str, t.Any] = {} if known is None else known["image"]
    virtual_size = image.get("virtual_size")
    if virtual_size is None and source is not None and source.info is not None:
        virtual_size = output.target.virtual_size(source.info.virtual_size)
    padding = None
    if virtual_size is not None and source is not None and source.info is not None:
        padding = virtual_size - source.info.virtual_size
    return {
        "dest": output.dest,
        "format": output.target.format,
        "changed": changed,
        "reasons": [*plan.reasons, *plan.beside],
        "digest": image.get("digest"),
        "size": image.get("size"),
        "virtual_size": virtual_size,
        "padding": padding,
        "compared": None if known is None else bool(known.get("compared")),
        "checksum_file": checksum_path(output.dest) if request.checksum else None,
        "signature_file": signature_path(output.dest) if request.signing_key else None,
        "record": record_path(output.dest),
        "seconds": seconds,
    }
