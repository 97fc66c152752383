# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathering what shows that a golden image is right: an audit of the finished file, and boots of it."""

from __future__ import annotations

import traceback
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..boot.model import BootError, BootInterruptedError, BootOptions
from ..common.errors import GoldsmithError, VerificationError
from ..common.host import Host
from ..common.stages import Stages
from ..disk import qemu_img
from ..recipe.model import Step
from ..store.files import write_json, write_text
from ..store.layers import workdir
from ..store.layout import Layout
from ..store.published import Published, record_path
from . import boot, boot_preflight
from .audit import audit_image
from .audit_expected import expected_of
from .customize_checks import AUDIT, BOOT, Checks
from .customize_plan import Plan
from .customize_request import Request

_FORMAT = "qcow2"
_READERS = (("blkid", "util-linux"), ("sfdisk", "fdisk"), ("debugfs", "e2fsprogs"))
"""Programs that an audit reads images with, and their packages."""


@dataclass
class Evidence:
    """What was found."""

    record: dict[str, t.Any] = field(default_factory=dict)
    """For the build record."""
    texts: dict[str, str] = field(default_factory=dict)
    """For people, by the endings of their files' names."""

    def added_to(self, record: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """The record with what was found; boots that it has already stay."""
        boots = [*(record.get(BOOT) or []), *self.record.get(BOOT, [])]
        return {**record, **self.record, **({BOOT: boots} if boots else {})}


@dataclass(frozen=True)
class Prover:
    """Looks at one image."""

    host: Host
    checks: Checks
    steps: Sequence[Step]
    """What was done to it."""
    workdir: str
    """A private directory, for copies and overlays."""
    stages: Stages

    def gather(self, path: str, evidence: Evidence) -> None:
        """Add what the checks find in the qcow2 at ``path`` to ``evidence``.

        Raises a GoldsmithError at the first check that the image does not pass or that cannot be tried;
        :func:`is_verdict` tells which. What was found is in ``evidence``.
        """
        try:
            if self.checks.audit:
                self._audit(path, evidence)
            for options in self.checks.boots:
                self._boot(path, options, evidence)
        except GoldsmithError:
            raise
        except Exception as error:
            # Who gathers has an image to keep that took long to build.
            raise GoldsmithError(
                f"a check of the image ended in an error that it should not meet: {type(error).__name__}: {error}",
                "Where it does not name something of this host that can be repaired, report it with its traceback",
                exception=traceback.format_exc(),
            ) from error

    def _audit(self, path: str, evidence: Evidence) -> None:
        expected = expected_of(self.steps, self.checks.allow)
        with self.stages(AUDIT):
            report = audit_image(self.host, image=path, image_format=_FORMAT, workdir=self.workdir, expected=expected)
        evidence.record[AUDIT] = report.as_dict()
        if report.failed:
            evidence.texts["audit.txt"] = report.text()
            cause, way_out = report.summary()
            raise VerificationError(
                cause, f"{way_out}. What is meant to be so is allowed by audit_allow", audit=report.as_dict()
            )

    def _boot(self, path: str, options: BootOptions, evidence: Evidence) -> None:
        boots = evidence.record.setdefault(BOOT, [])
        try:
            with self.stages(BOOT):
                booted = boot.check_boot(self.host, image=path, format=_FORMAT, workdir=self.workdir, options=options)
        except BootError as error:
            evidence.texts["console.log"] = error.console
            if error.boot is not None:
                boots.append({"asked": options.firmware, **error.boot.result()})
            raise
        boots.append({"asked": options.firmware, **booted.result()})


def is_verdict(error: GoldsmithError) -> bool:
    """Whether an error of :meth:`Prover.gather` tells that the image is not right; if not, that it cannot be told."""
    return isinstance(error, (BootError, VerificationError)) and not isinstance(error, BootInterruptedError)


def preflight(host: Host, checks: Checks, base: Mapping[str, t.Any]) -> None:
    """Find out before a build what of its checks cannot be tried after it; starts nothing. Raises a GoldsmithError.

    :arg base: what is known of the base.
    """
    for program, package in _READERS if checks.audit else ():
        host.require(program, package)
    known = {"architecture": str(base["arch"])} if base.get("arch") else {}
    for options in checks.boots:
        # Whether KVM works is the engine's to find out, by a guest.
        boot_preflight.preflight(host, replace(options, accel="tcg"), prefix="boot_options.", **known)


def prove_published(
    host: Host, layout: Layout, request: Request, plan: Plan, image: Published, stages: Stages
) -> Published:
    """Gather the evidence that the record of a published image of the plan is lacking, and add it.

    The caller holds the lock of its name. Raises a GoldsmithError where the image does not pass; it stays as it is.
    """
    evidence = Evidence()
    checks = request.checks.left(image.record)
    with stages("preflight"):
        checks.require_disk_size(qemu_img.inspect(host, image.path).virtual_size)
        preflight(host, checks, plan.base)
    with workdir(layout, request.workdir) as directory:
        try:
            Prover(host, checks, plan.steps, directory, stages).gather(image.path, evidence)
        except GoldsmithError as error:
            _tell_of_published(layout, request, plan, image, evidence, error)
            raise
    record = evidence.added_to(image.record)
    write_json(record_path(image.path), record)
    return Published(image.path, record)


def _tell_of_published(
    layout: Layout, request: Request, plan: Plan, image: Published, evidence: Evidence, error: GoldsmithError
) -> None:
    """Say in the error what became of the image, and keep what was found in the store."""
    golden = request.golden
    leads = "leads to it" if plan.linked else "does not lead to it"
    error.add(f"{image.path} was published before, without this check, and stays: {golden.link} {leads}")
    if is_verdict(error):
        error.add("Correct the steps, or set force: true, and a further image is built that has to pass first")
    try:
        for ending, text in evidence.texts.items():
            path = layout.log(golden.name, golden.lock_name, ending)
            write_text(path, text)
            error.add(f"What was found is in {path} on the build host")
    except GoldsmithError as refusal:
        error.add(f"What was found could not be kept: {refusal.cause}")


def evidence_of(record: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """For the result of the module, what a record has of evidence."""
    return {AUDIT: record.get(AUDIT), BOOT: record.get(BOOT) or []}
