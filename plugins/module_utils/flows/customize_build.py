# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan to a published golden image."""

from __future__ import annotations

import json
import os
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..common.errors import CommandError, GoldsmithError, StoreError, VerificationError
from ..common.file_attributes import Attributes
from ..common.host import Host
from ..common.size import format_size
from ..common.space import require_free_space
from ..common.stages import Stages
from ..disk import qemu_img
from ..engine import registry
from ..engine.model import Build, Engine, Report
from ..recipe.model import all_operations
from ..recipe.operations import Run, StepOperations, Write
from ..recipe.steps import generalise
from ..store.failed import keep_failed
from ..store.files import hash_file, identity_of, remove_file, write_text
from ..store.golden_prune import FAILED, UNCHECKED
from ..store.layers import workdir
from ..store.layout import Layout
from ..store.published import RECORD_IN_IMAGE, Published
from .customize_base import inspect_base
from .customize_differences import described_steps
from .customize_evidence import Evidence, Prover, is_verdict, preflight
from .customize_payloads import adopt_sent, changed_since, host_paths, with_secret_lines
from .customize_plan import Plan
from .customize_request import Request
from .held import held_files

RECORD_SCHEMA = 1


@dataclass(frozen=True)
class Builder:
    """One build. The caller holds the lock of the golden image's name."""

    host: Host
    layout: Layout
    request: Request
    plan: Plan
    attributes: Attributes
    stages: Stages
    path: str
    """Where the image is published."""
    created: str
    """When the build began, as :func:`~..common.age.format_time` writes it."""

    def build(self) -> Published:
        """Build and publish the image. When it fails, nothing new is visible."""
        request, plan, golden = self.request, self.plan, self.request.golden
        engine = registry.ENGINES[request.engine]
        with workdir(self.layout, request.workdir) as directory:
            # Nothing prunes the base from here on.
            base = inspect_base(self.host, request)
            identity = identity_of(base.path)
            with self.stages("payloads"):
                adopt_sent(self.layout, request.sent, plan.payloads(), plan.payload_digests)
                paths = host_paths(self.layout, plan.payloads(), plan.payload_digests, directory)
                steps = all_operations(plan.steps, {step.index: paths.get(step.index, {}) for step in plan.steps})
                steps = with_secret_lines(steps, plan.payloads(), paths)
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
                preflight(self.host, request.checks, plan.base)
                build = replace(build, accel=engine.preflight(self.host, build))
            with self.stages("customize"):
                fine = generalise.trims(plan.steps)
                qemu_img.create_overlay(self.host, base.path, base.format, build.disk, request.size, fine=fine)
                report = self._apply(engine, build)
            self._require_unchanged(base.path, identity)
            with golden.temporary(self.layout) as temporary:
                self._pack(build.disk, temporary)
                with self.stages("digest"):
                    image = {"file": os.path.basename(self.path), "digest": hash_file(temporary)}
                size = os.stat(temporary).st_size
                record = {**self._record(), **_after_launch(report), "image": {**image, "size": size}}
                self._prove(temporary, directory, record, report.log)
                record["stages"] = dict(self.stages.seconds)
                with self.stages("publish"):
                    self.attributes.apply(temporary, {"before": {}, "after": {}})
                    golden.publish(self.layout, temporary, self.path, record, report.log, self.attributes)
        return Published(self.path, record)

    def _apply(self, engine: Engine, build: Build) -> Report:
        """Carry the steps out; what a build printed that failed is kept in the store."""
        path = self.layout.log(self.request.golden.name, self.request.golden.lock_name)
        # One of an earlier build would be taken for this one's.
        remove_file(path)
        try:
            report = engine.apply(self.host, build)
        except GoldsmithError as error:
            printed = getattr(error, "log", "")
            if printed:
                write_text(path, printed)
                error.add(f"All that the steps printed is in {path} on the build host")
                error.details["log"] = path
            raise
        return report

    def _prove(self, temporary: str, directory: str, record: dict[str, t.Any], log: str) -> None:
        """Add the evidence that is wanted to the record; an image that does not pass is kept, and not published."""
        evidence = Evidence()
        try:
            Prover(self.host, self.request.checks, self.plan.steps, directory, self.stages).gather(temporary, evidence)
        except GoldsmithError as error:
            record["stages"] = dict(self.stages.seconds)
            self._keep(temporary, evidence.added_to(record), log, evidence.texts, error)
            raise
        record.update(evidence.added_to(record))

    def _keep(
        self, temporary: str, record: Mapping[str, t.Any], log: str, found: Mapping[str, str], error: GoldsmithError
    ) -> None:
        """Keep an image that is not published, and say so in the error that is the reason."""
        why, said = FAILED, "The image is not published"
        if not is_verdict(error):
            why, said = UNCHECKED, "The image was built, could not be checked, and is not published"
        golden = self.request.golden
        try:
            kept = keep_failed(golden, temporary, self.path, record, log, found, self._is_held, why)
        except GoldsmithError as refusal:
            error.add(f"{said}. It could not be kept either: {refusal.cause}")
            return
        error.add(f"{said}. It is kept as {kept}, with what was found beside it")
        error.details["failed_image"] = kept

    def _is_held(self, path: str) -> bool:
        """Whether a domain uses an image, or that cannot be told."""
        held = held_files(self.host, self.layout)
        return bool(held.unknown) or os.path.realpath(path) in held.by_path

    def _record(self) -> dict[str, t.Any]:
        """What is known before the launch, and stands in the image as well."""
        return {
            "schema": RECORD_SCHEMA,
            "name": self.request.golden.name,
            "fingerprint": self.plan.fingerprint,
            "created": self.created,
            "base": dict(self.plan.base),
            "recipe": dict(self.plan.recipe),
            "steps": described_steps(self.plan.steps),
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
            (Run(f"mkdir -p -m 0755 {os.path.dirname(RECORD_IN_IMAGE)}\n"), Write(content, RECORD_IN_IMAGE)),
        )

    def _require_unchanged(self, base: str, identity: t.Any) -> None:
        """Raise VerificationError when a file that went into the image was written to in the meantime."""
        changed = [] if identity_of(base) == identity else [f"the base image {base}"]
        changed += changed_since(self.layout, self.plan.payloads(), self.plan.payload_digests)
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
