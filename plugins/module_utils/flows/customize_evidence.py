# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathering what shows that a golden image is right: an audit of the finished file, and boots of it."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..boot import firmware, qemu
from ..boot.model import BootError, BootOptions
from ..common.errors import VerificationError
from ..common.host import Host
from ..common.stages import Stages
from ..recipe.model import Step
from ..store.files import write_json
from ..store.layers import workdir
from ..store.layout import Layout
from ..store.published import Published, record_path
from .audit import audit_image
from .audit_expected import expected_of
from .boot import check_boot
from .customize_checks import AUDIT, BOOT, Checks
from .customize_plan import Plan
from .customize_request import Request

_FORMAT = "qcow2"


@dataclass
class Evidence:
    """What was found."""

    record: dict[str, t.Any] = field(default_factory=dict)
    """For the build record."""
    texts: dict[str, str] = field(default_factory=dict)
    """For people, by the endings of their files' names."""


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

    def gather(self, path: str, evidence: Evidence, lacking: Sequence[str] = (AUDIT, BOOT)) -> None:
        """Add the evidence that is wanted and ``lacking`` of the qcow2 at ``path`` to ``evidence``.

        Raises a GoldsmithError at the first check that the image does not pass; what was found is in ``evidence``.
        """
        if AUDIT in lacking and self.checks.audit:
            self._audit(path, evidence)
        if BOOT in lacking:
            for options in self.checks.boots:
                self._boot(path, options, evidence)

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
                boot = check_boot(self.host, image=path, format=_FORMAT, workdir=self.workdir, options=options)
        except BootError as error:
            evidence.texts["console.log"] = error.console
            if error.boot is not None:
                boots.append({"asked": options.firmware, **error.boot.result()})
            raise
        boots.append({"asked": options.firmware, **boot.result()})


def preflight(host: Host, checks: Checks) -> None:
    """Find out before a build whether the image can be booted after it. Raises a GoldsmithError."""
    if checks.boots:
        host.require(qemu.PROGRAM, qemu.PACKAGE)
    if any(options.firmware == "uefi" for options in checks.boots):
        # Only to see whether it is there.
        firmware.prepare(host.tmpdir)


def prove_published(
    host: Host, layout: Layout, request: Request, plan: Plan, image: Published, stages: Stages
) -> Published:
    """Gather the evidence that the record of a published image of the plan is lacking, and add it.

    The caller holds the lock of its name. Raises a GoldsmithError where the image does not pass; it stays as it is.
    """
    evidence = Evidence()
    with workdir(layout, request.workdir) as directory:
        Prover(host, request.checks, plan.steps, directory, stages).gather(image.path, evidence, plan.lacking)
    record = {**image.record, **evidence.record}
    write_json(record_path(image.path), record)
    return Published(image.path, record)


def evidence_of(record: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """For the result of the module, what a record has of evidence."""
    return {AUDIT: record.get(AUDIT), BOOT: record.get(BOOT) or []}
