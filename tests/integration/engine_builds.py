# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds by the engine virt_customize, without a module around it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.goldsmith.kvm.plugins.module_utils.disk import qemu_img
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import accel
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.model import Build, Report
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.registry import ENGINES
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Operation, StepOperations
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

ENGINE = ENGINES["virt_customize"]


@dataclass(frozen=True)
class Built:
    disk: Path
    report: Report
    warnings: list[str]


def step(
    index: int, *operations: Operation, timeout: int | None = None, secrets: frozenset[str] = frozenset()
) -> StepOperations:
    kind = type(operations[-1]).__name__
    return StepOperations(index, kind, f"{index} ({kind})", operations, timeout, secrets)


def build_steps(
    base: Path,
    directory: Path,
    *steps: StepOperations,
    size: int | None = None,
    timeout: int = 900,
    memsize: int = 0,
    fine: bool = False,
) -> Built:
    directory.mkdir(mode=0o700, exist_ok=True)
    host = LocalHost(str(directory))
    disk = directory / "disk.qcow2"
    base_format = qemu_img.inspect(host, str(base)).format
    qemu_img.create_overlay(host, str(base), base_format, str(disk), size, fine=fine)
    build = Build(str(disk), str(directory), steps, timeout=timeout, memsize=memsize, accel=accel.decide(host, "auto"))
    host.warnings.clear()
    return Built(disk, ENGINE.apply(host, build), host.warnings)


def build_on(base: Path, directory: Path, *operations: Operation, size: int | None = None, timeout: int = 900) -> Built:
    """A build in which each operation is a step of its own."""
    steps = (step(index, operation) for index, operation in enumerate(operations, start=1))
    return build_steps(base, directory, *steps, size=size, timeout=timeout)
