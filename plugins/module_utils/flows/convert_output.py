# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan for one output to the published file and what lies beside it."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import time
import typing as t
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..common.age import format_time, now
from ..common.errors import GoldsmithError
from ..common.file_attributes import Attributes
from ..common.host import Host
from ..disk import convert, ova, qemu_img
from ..store.digests import remember_digest
from ..store.files import hash_file, identity_of, publish, refusal, remove_file, sync_file, write_json, write_text
from ..store.layout import Layout
from ..store.signing import Signer, checksum_path, checksum_text, signature_path
from .convert_plan import (
    RECORD_SCHEMA,
    Done,
    HeldFiles,
    Plan,
    Source,
    plan_output,
    wanted_options,
    working_directory,
)
from .convert_request import Output, Request, record_path


@dataclass(frozen=True)
class Worker:
    """Writes outputs of one source, several at a time."""

    host: Host
    layout: Layout
    request: Request
    source: Source
    info: qemu_img.ImageInfo
    held: HeldFiles
    attributes: Attributes
    signer: Signer | None

    def carry_out(self, output: Output) -> Done:
        """Bring one output about; returns what was found, the record of what is there now, and seconds.

        Another run for the same file is waited for, and what it has written is found. Raises a GoldsmithError, and
        then nothing new is visible.
        """
        began = time.monotonic()
        with self.layout.lock(output.lock_name):
            plan = plan_output(self.layout, self.request, output, self.source, self.held, remember=True)
            try:
                with self._workdir(output) as directory:
                    record = self._carry_out(plan, directory)
            except OSError as error:
                raise refusal(error.filename or output.dest, error) from error
        return plan, record, round(time.monotonic() - began, 3)

    def _carry_out(self, plan: Plan, directory: str) -> Mapping[str, t.Any]:
        output, record = plan.output, plan.record
        temporary = os.path.join(directory, os.path.basename(output.dest))
        if plan.reasons or record is None:
            try:
                record = self._convert(output, directory, temporary)
            except GoldsmithError:
                # What goes wrong then goes wrong because of that.
                self.source.require_unchanged()
                raise
        elif plan.compares:
            convert.require_same(self.host, self.info, output.dest, output.target)
            record = {**record, "compared": True}
        beside = self._write_beside(plan, record, temporary)
        if plan.changes or plan.compares:
            self.source.require_unchanged()
            record = {**record, **self._told_beside(plan, record, temporary)}
            self._publish(plan, record, temporary, beside)
        return record

    def _convert(self, output: Output, directory: str, temporary: str) -> dict[str, t.Any]:
        """Write ``temporary``; returns its record."""
        target, created = output.target, now()
        if target.machine is None:
            convert.convert(self.host, self.info, target, temporary)
        else:
            disk = os.path.join(directory, ova.disk_name(output.dest))
            convert.convert(self.host, self.info, target, disk)
            name, capacity = ova.package_name(output.dest), target.virtual_size(self.info.virtual_size)
            ova.write_package(temporary, name, target.machine, disk, capacity, int(created.timestamp()))
            remove_file(disk)
        with ThreadPoolExecutor(1) as pool:
            # The digest takes longest; meanwhile the file is checked, and goes to the disk.
            digest = pool.submit(hash_file, temporary)
            virtual_size = convert.require_sound(self.host, temporary, target, self.info.virtual_size)
            if self.request.compare:
                convert.require_same(self.host, self.info, temporary, target)
            sync_file(temporary)
        self.attributes.apply(temporary, {"before": {}, "after": {}})
        return {
            "schema": RECORD_SCHEMA,
            "created": format_time(created),
            "source": {
                "path": self.request.path,
                "digest": self.source.digest,
                "format": self.info.format,
                "virtual_size": self.info.virtual_size,
            },
            "options": wanted_options(output),
            "image": {
                "file": os.path.basename(output.dest),
                "digest": digest.result(),
                "size": os.stat(temporary).st_size,
                "virtual_size": virtual_size,
            },
            "compared": self.request.compare,
            "versions": {"qemu-img": qemu_img.version(self.host)},
        }

    def _write_beside(self, plan: Plan, record: Mapping[str, t.Any], temporary: str) -> list[str]:
        """Write the checksum file and its signature beside ``temporary``; returns their paths there."""
        written = []
        checksum, signature = checksum_path(temporary), signature_path(temporary)
        if plan.beside:
            write_text(checksum, checksum_text(plan.output.dest, record["image"]["digest"]), 0o644)
            written.append(checksum)
        if "signature" in plan.beside and self.signer is not None:
            self.signer.sign(checksum, signature)
            written.append(signature)
        for path in written:
            self.attributes.apply(path, {"before": {}, "after": {}})
        return written

    def _told_beside(self, plan: Plan, record: Mapping[str, t.Any], temporary: str) -> dict[str, t.Any]:
        """What the record says of the checksum file and its signature."""
        told = {key: None if plan.reasons else record.get(key) for key in ("checksum", "signature")}
        if plan.beside:
            told = {"checksum": os.path.basename(checksum_path(temporary)), "signature": None}
        if "signature" in plan.beside and self.signer is not None:
            told["signature"] = {
                "fingerprint": self.signer.fingerprint,
                "digest": hash_file(signature_path(temporary)),
            }
        return told

    def _publish(self, plan: Plan, record: Mapping[str, t.Any], temporary: str, beside: list[str]) -> None:
        """Give the finished files their names; the record comes last, and says that all is there.

        What speaks of the former file goes first: at no moment is there a checksum, or a signature, of another file.
        """
        dest = plan.output.dest
        if plan.changes:
            remove_file(signature_path(dest))
        if plan.reasons:
            remove_file(checksum_path(dest))
            publish(temporary, dest)
        for path in beside:
            publish(path, os.path.join(os.path.dirname(dest), os.path.basename(path)))
        write_json(record_path(dest), record)
        if plan.reasons:
            remember_digest(self.layout, dest, record["image"]["digest"], identity_of(dest))

    @contextlib.contextmanager
    def _workdir(self, output: Output) -> Iterator[str]:
        """A directory on the file system of ``dest``, removed at the end, as is what killed runs have left.

        The file has its own name in it: a VMDK has that name inside. The caller holds the lock of ``dest`` and store.
        """
        directory, name = os.path.split(output.dest)
        os.makedirs(directory, mode=0o755, exist_ok=True)
        path = working_directory(self.layout, output.dest)
        shutil.rmtree(path, ignore_errors=True)
        for leftover in glob.glob(os.path.join(glob.escape(directory), f".{glob.escape(name)}.conversion.json.*.tmp")):
            remove_file(leftover)
        os.mkdir(path, 0o700)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
