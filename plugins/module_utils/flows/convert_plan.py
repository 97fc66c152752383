# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of ``image_convert`` would write, and what of it is there already."""

from __future__ import annotations

import hashlib
import os
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..common.errors import BadRequestError, MissingProgramError, StoreError, VerificationError
from ..common.host import Host
from ..disk import convert, qemu_img
from ..disk.backing import chain_of
from ..store.digests import digest_of
from ..store.files import Identity, hash_file, identity_of, read_json, read_record
from ..store.images import Images
from ..store.layout import Layout, name_of
from ..store.published import record_path as build_record_path
from ..store.signing import checksum_path, checksum_text, signature_path
from .convert_request import Output, Request, record_path, source_beside
from .held import Held

RECORD_SCHEMA = 1
HeldFiles = Callable[[], Held]


def working_directory(layout: Layout, dest: str) -> str:
    """Where ``dest`` is written, on its own file system. There is one for each ``dest`` and store."""
    directory, name = os.path.split(dest)
    return os.path.join(directory, f".{name}.{name_of(os.path.realpath(layout.root))[:8]}.tmp")


@dataclass(frozen=True)
class Source:
    """The image that is converted."""

    info: qemu_img.ImageInfo | None
    """None in check mode where qemu-img is missing."""
    digest: str
    """``sha256:…`` of the file; of several files, over their digests."""
    files: Mapping[str, Identity | None]
    """It and what lies below it, as they were before they were read."""

    def require_unchanged(self) -> None:
        """Raise VerificationError when a file was written to or replaced since."""
        changed = [path for path, identity in self.files.items() if identity_of(path) != identity]
        if changed:
            raise VerificationError(
                f"{' and '.join(changed)} changed during the conversion", "Run again while nothing writes there"
            )


def find_source(host: Host, layout: Layout, request: Request, check_mode: bool) -> Source | None:
    """The source; None in check mode, where it is not there yet.

    Raises BadRequestError, VerificationError (no image, not what its digest says, it needs files of others).
    """
    if not os.path.isfile(request.path):
        if not check_mode:
            raise BadRequestError(f"src is no file of this host: {request.path or '(null)'}", "Give its right path")
        host.warn(f"src is not there yet, so that every output counts as to be written: {request.path or '(null)'}")
        return None
    files: dict[str, Identity | None] = {request.path: identity_of(request.path)}
    if check_mode and host.which("qemu-img") is None:
        host.warn(
            f"nothing can be converted on this host as it is: {MissingProgramError('qemu-img', qemu_img.PACKAGE)}"
        )
        return Source(None, _digest(layout, request, list(files), check_mode), files)
    info = qemu_img.inspect(host, request.path)
    if info.backing_file is not None and request.backing_files and info.data_file is None:
        info = convert.inspect_with_backing_files(host, request.path)
        files.update((path, identity_of(path)) for path in chain_of(host, request.path, info.format))
    else:
        qemu_img.refuse_foreign_files(info)
    if info.format == "qcow2":
        qemu_img.check(host, info.path)
    return Source(info, _digest(layout, request, list(files), check_mode), files)


def _digest(layout: Layout, request: Request, files: list[str], check_mode: bool) -> str:
    if request.path == os.path.realpath(layout.image(request.digest)):
        image = Images(layout).get(request.digest)
        if image is not None and Images(layout).present_identity(image) is not None:
            return request.digest
    digests = [digest_of(layout, path, remember=not check_mode) for path in files]
    if request.digest and digests[0] != request.digest:
        raise VerificationError(
            f"{request.path} is not what was asked for: its digest is {digests[0]}, and should be {request.digest}",
            "Give the right path, or the right digest",
        )
    return digests[0] if len(digests) == 1 else _digest_over(digests)


def _digest_over(digests: list[str]) -> str:
    return f"sha256:{hashlib.sha256(' '.join(digests).encode()).hexdigest()}"


@dataclass(frozen=True)
class Plan:
    """What is wanted at one ``dest`` beside what is there."""

    output: Output
    record: Mapping[str, t.Any] | None
    """Of what is there."""
    reasons: tuple[str, ...]
    """Why it is converted: ``missing``, ``unrecorded``, ``modified``, ``source``, ``options``; none: it is not."""
    beside: tuple[str, ...]
    """Which files beside it are written: ``checksum``, ``signature``."""
    compares: bool
    """Whether what is there has yet to be compared with the source."""

    @property
    def changes(self) -> bool:
        return bool(self.reasons or self.beside)


Done = tuple[Plan, t.Optional[Mapping[str, t.Any]], float]
"""What was found of an output, the record of what is there now, and seconds."""


def plan_output(
    layout: Layout, request: Request, output: Output, source: Source | None, held: HeldFiles, *, remember: bool
) -> Plan:
    """Look at what is there. Raises StoreError where it must not be replaced."""
    dest = output.dest
    _require_room_beside(layout, output, source)
    record = _record(dest)
    reasons = _reasons(layout, output, source, record, remember)
    if reasons and os.path.lexists(dest):
        _require_replaceable(dest, source, held)
    beside = []
    if request.checksum:
        text = None if record is None or reasons else checksum_text(dest, record["image"]["digest"])
        if text is None or _text(checksum_path(dest)) != text:
            beside.append("checksum")
        if request.signing_key is not None and (beside or not _is_signed(dest, record, request.signing_key)):
            beside.append("signature")
    compares = request.compare and not reasons and record is not None and not record.get("compared")
    return Plan(output, record, reasons, tuple(beside), compares)


def wanted_options(output: Output) -> dict[str, t.Any]:
    """All that decides what an output is, for its record."""
    machine = {} if output.target.machine is None else {"machine": output.target.machine.as_record()}
    return {"format": output.target.format, **output.target.options, **machine}


def _reasons(
    layout: Layout, output: Output, source: Source | None, record: Mapping[str, t.Any] | None, remember: bool
) -> tuple[str, ...]:
    if not os.path.lexists(output.dest):
        return ("missing",)
    if record is None:
        return ("unrecorded",)
    reasons = []
    if source is None or record["source"]["digest"] != source.digest:
        reasons.append("source")
    if record["options"] != wanted_options(output):
        reasons.append("options")
    if not reasons and digest_of(layout, output.dest, remember=remember) != record["image"]["digest"]:
        reasons.append("modified")
    return tuple(reasons)


def _require_room_beside(layout: Layout, output: Output, source: Source | None) -> None:
    """Raise StoreError where what is replaced or removed beside ``dest`` is of the source, or a directory."""
    files = () if source is None else tuple(source.files)
    work = working_directory(layout, output.dest) + os.sep
    for path in output.beside:
        if os.path.isdir(path):
            raise StoreError(
                f"{path} is a directory, and has the name of a file beside {output.dest}",
                "Move it away, or give another dest",
            )
        if os.path.exists(path) and any(os.path.samefile(path, file) for file in files):
            raise StoreError(*source_beside(path, output.dest))
    for file in files:
        if file.startswith(work):
            raise StoreError(*source_beside(file, output.dest))


def _require_replaceable(dest: str, source: Source | None, held: HeldFiles) -> None:
    if os.path.islink(dest):
        raise StoreError(
            f"{dest} is a link to {os.readlink(dest)}, and would be replaced by a file",
            "Give the path of a file, or remove the link",
        )
    if not os.path.isfile(dest):
        raise StoreError(f"{dest} is there, and is no file", "Give another path")
    if source is not None and any(os.path.samefile(dest, path) for path in source.files):
        raise StoreError(
            f"{dest} is a file of the source, and whatever else lies over it would read the new one",
            "Give another path",
        )
    if _is_golden(dest):
        raise StoreError(
            f"{dest} is a golden image: {build_record_path(dest)} is beside it, and published images never change",
            "Give another path",
        )
    found = held()
    holders = found.by_path.get(os.path.realpath(dest))
    if holders:
        raise StoreError(
            f"{dest} would be replaced, and {' and '.join(sorted(holders))} needs it",
            "Give another path, or detach it there first",
        )


def _is_golden(dest: str) -> bool:
    try:
        record = read_json(build_record_path(dest))
    except StoreError:
        return False
    return record is not None and "fingerprint" in record and "recipe" in record


def _record(dest: str) -> dict[str, t.Any] | None:
    """The record of what is there; None where there is none that can be understood: the image is written anew."""
    try:
        return read_record(record_path(dest), _with_all_that_is_used)
    except StoreError:
        return None


def _with_all_that_is_used(record: dict[str, t.Any]) -> dict[str, t.Any]:
    """The record; raises KeyError or TypeError where a part is missing or another thing."""
    for part, key in (("source", "digest"), ("options", "format"), ("image", "digest"), ("image", "virtual_size")):
        record[part][key]
    return record


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return None


def _is_signed(dest: str, record: Mapping[str, t.Any] | None, fingerprint: str) -> bool:
    """Whether the signature that the record speaks of is there, by that key."""
    signature = (record or {}).get("signature") or {}
    path = signature_path(dest)
    return bool(
        signature.get("fingerprint") == fingerprint
        and os.path.isfile(path)
        and hash_file(path) == signature.get("digest")
    )
