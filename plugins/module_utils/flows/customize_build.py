# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan to a published golden image."""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass, replace

from ..common.errors import BadRequestError, CommandError, StoreError, VerificationError
from ..common.file_attributes import Attributes
from ..common.host import Host
from ..common.size import format_size
from ..common.space import require_free_space
from ..common.stages import Stages
from ..disk import qemu_img
from ..engine import registry
from ..engine.model import Build, Report
from ..recipe.model import all_operations
from ..recipe.operations import Run, StepOperations, Write
from ..store.digests import recall_digest
from ..store.files import hash_file, identity_of
from ..store.layers import workdir
from ..store.layout import Layout, hex_of
from ..store.payloads import Payloads
from .customize_plan import Plan
from .customize_request import Request

RECORD_SCHEMA = 1
_RECORD_IN_IMAGE = "/usr/share/goldsmith/build-record.json"
"""Below /usr/share, the place of data that came with the system and does not change (FHS 3.0, 4.11)."""


@dataclass(frozen=True)
class Builder:
    """One build. The caller holds the lock of the golden image's name."""

    host: Host
    layout: Layout
    request: Request
    plan: Plan
    attributes: Attributes
    stages: Stages
    created: str
    """When the build began, as :func:`~..common.age.format_time` writes it."""

    def build(self) -> dict[str, t.Any]:
        """Build and publish the image; returns its record. When it fails, nothing new is visible."""
        request, plan, golden = self.request, self.plan, self.request.golden
        engine = registry.ENGINES[request.engine]
        with workdir(self.layout) as directory:
            # Nothing prunes the base from here on.
            base = inspect_base(self.host, request)
            identity = identity_of(base.path)
            with self.stages("payloads"):
                self._adopt_sent()
                steps = self._steps()
            build = Build(
                disk=os.path.join(directory, "disk.qcow2"),
                workdir=directory,
                steps=(*steps, self._record_step()),
                accel=request.accel,
                network=request.network,
                memsize=request.memsize,
                smp=request.smp,
                timeout=request.timeout,
            )
            with self.stages("preflight"):
                golden.require_directory(self.layout, self.attributes)
                require_free_space(golden.directory, _least_size(base, request), "The golden image")
                build = replace(build, accel=engine.preflight(self.host, build))
            with self.stages("customize"):
                qemu_img.create_overlay(self.host, base.path, base.format, build.disk, request.size)
                report = engine.apply(self.host, build)
            self._require_unchanged(base.path, identity)
            with golden.temporary(self.layout) as temporary:
                self._pack(build.disk, temporary)
                with self.stages("digest"):
                    image = {"file": os.path.basename(plan.path), "digest": hash_file(temporary)}
                size = os.stat(temporary).st_size
                record = {**self._record(), **_after_launch(report), "image": {**image, "size": size}}
                record["stages"] = dict(self.stages.seconds)
                with self.stages("publish"):
                    self.attributes.apply(temporary, {"before": {}, "after": {}})
                    golden.publish(self.layout, temporary, plan.path, record)
        return record

    def _adopt_sent(self) -> None:
        """Take what the controller has sent into the store."""
        payloads = Payloads(self.layout)
        sent = [
            self.plan.payload_digests[payload.key] for payload in self.request.payloads() if not payload.step.remote
        ]
        for digest in payloads.missing(sent):
            if self.request.sent_directory is None:
                raise StoreError(f"the payload {digest} has vanished from the store", "Run the task again")
            payloads.adopt(os.path.join(self.request.sent_directory, hex_of(digest)), digest)

    def _steps(self) -> list[StepOperations]:
        payloads = Payloads(self.layout)
        paths: dict[int, dict[str, str]] = {step.index: {} for step in self.request.steps}
        for payload in self.request.payloads():
            digest = self.plan.payload_digests[payload.key]
            path = os.path.abspath(payload.path) if payload.step.remote else payloads.path(digest)
            paths[payload.step.index][payload.option] = path
        return all_operations(self.request.steps, paths)

    def _record(self) -> dict[str, t.Any]:
        """What is known before the launch, and stands in the image as well."""
        return {
            "schema": RECORD_SCHEMA,
            "name": self.request.golden.name,
            "fingerprint": self.plan.fingerprint,
            "created": self.created,
            "base": dict(self.plan.base),
            "recipe": dict(self.plan.recipe),
        }

    def _record_step(self) -> StepOperations:
        """Put the record into the image, without the place that the base has on this host."""
        record = self._record()
        del record["base"]["path"]
        content = json.dumps(record, indent=2, sort_keys=True) + "\n"
        return StepOperations(
            len(self.request.steps) + 1,
            "build_record",
            "build record",
            (Run(f"mkdir -p -m 0755 {os.path.dirname(_RECORD_IN_IMAGE)}\n"), Write(content, _RECORD_IN_IMAGE)),
        )

    def _require_unchanged(self, base: str, identity: t.Any) -> None:
        """Raise VerificationError when a file that went into the image was written to in the meantime."""
        changed = [] if identity_of(base) == identity else [f"the base image {base}"]
        for payload in self.request.payloads():
            if payload.step.remote:
                digest = self.plan.payload_digests[payload.key]
                if recall_digest(self.layout, payload.path) != digest:
                    changed.append(f"{payload.path} of step {payload.step.label}")
        if changed:
            raise VerificationError(
                f"{' and '.join(changed)} changed during the build", "Run again while nothing writes there"
            )

    def _pack(self, disk: str, temporary: str) -> None:
        """Make one compressed file of the overlay and its base, and check it."""
        try:
            with self.stages("compress"):
                qemu_img.convert(self.host, disk, temporary, compression=self.request.compression)
            with self.stages("check"):
                qemu_img.check(self.host, temporary)
        except CommandError as error:
            if "No space left on device" in error.cause:
                needed = format_size(os.stat(disk).st_blocks * 512 + os.stat(self.request.base.path).st_blocks * 512)
                raise StoreError(
                    f"no space left in {self.request.golden.directory} for the golden image, which may need {needed}",
                    "Free some space there, or choose another dest_dir",
                ) from error
            raise


def inspect_base(host: Host, request: Request) -> qemu_img.ImageInfo:
    """What the base is; raises a GoldsmithError when it cannot be the base of this image."""
    info = qemu_img.inspect(host, request.base.path)
    qemu_img.refuse_foreign_files(info)
    if info.format == "qcow2":
        qemu_img.check(host, info.path)
    if request.size is not None and request.size < info.virtual_size:
        raise BadRequestError(
            f"size {format_size(request.size)} is less than the base image's {format_size(info.virtual_size)}",
            "Leave size out, or choose a larger one: disks are only grown",
        )
    return info


def _least_size(base: qemu_img.ImageInfo, request: Request) -> int:
    """Bytes that the golden image takes at the least, as a rule: data that is not compressed yet loses about half."""
    return base.actual_size if request.compression == "none" else base.actual_size // 2


def _after_launch(report: Report) -> dict[str, t.Any]:
    """What the record says of the launch."""
    return {
        "accel": report.accel,
        "versions": dict(report.versions),
        "os_release": dict(report.os_release),
        "packages": {
            "added": dict(report.packages_added),
            "removed": dict(report.packages_removed),
            "changed": {name: list(versions) for name, versions in report.packages_changed.items()},
        },
        "seconds": dict(report.seconds),
    }
