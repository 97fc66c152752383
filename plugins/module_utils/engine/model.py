# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What engines are asked, and what they answer."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..common.host import Host
from ..recipe.operations import StepOperations


@dataclass(frozen=True)
class Build:
    """One run of an engine over a disk."""

    disk: str
    """Path of a qcow2 that may be written: an overlay over the base."""
    workdir: str
    """A private directory (0700) for what the engine needs on the way; the caller removes it."""
    steps: tuple[StepOperations, ...]
    accel: str = "auto"
    """``auto``, ``kvm`` or ``tcg``."""
    network: bool = True
    memsize: int = 0
    """MiB; 0: the engine's own."""
    smp: int = 0
    """Virtual CPUs; 0: the engine's own."""
    timeout: int = 3600
    """Seconds for the whole."""


@dataclass(frozen=True)
class Report:
    """What an engine did."""

    accel: str
    """``kvm`` or ``tcg``: what was used."""
    versions: dict[str, str] = field(default_factory=dict)
    """Tool by version, for the record: ``{"virt-customize": "1.48.6", "qemu-img": "7.2.15"}``."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds by the steps' labels, and ``launch``, ``begin``, ``uploads``, ``end``."""
    os_release: dict[str, str] = field(default_factory=dict)
    """``/etc/os-release`` of the image."""
    packages_added: dict[str, str] = field(default_factory=dict)
    """Package by version."""
    packages_removed: dict[str, str] = field(default_factory=dict)
    packages_changed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Package by version before and after."""
    log: str = ""
    """The build log: each step in order, with its time and what it printed. Secrets are masked."""


class Engine(t.Protocol):
    """What carries steps out."""

    name: str
    """As users write it, ``virt_customize``; part of the fingerprint."""

    def preflight(self, host: Host, build: Build) -> str:
        """Find out before anything is written whether the build can run; returns the accelerator that it will use.

        Raises MissingProgramError, or BadRequestError that names the cause and the way out.
        """

    def apply(self, host: Host, build: Build) -> Report:
        """Carry out all steps in order, in one go.

        Afterwards machine-id and random seed are as the base had them, and nothing that a step started still runs.
        Raises StepError (a GoldsmithError that names the step and shows the last lines of its output) when a step
        failed, or took longer than it may; the disk is then worth nothing. The error's ``log`` is the build log until
        then. No text that is told shows a secret.
        """

    def os_release(self, host: Host, disk: str, workdir: str, accel: str) -> dict[str, str]:
        """Read ``/etc/os-release``, or else ``/usr/lib/os-release``, of an image that is not changed.

        ``workdir`` is a private directory; ``accel`` as in :class:`Build`. Raises a GoldsmithError when there is none,
        and as :meth:`preflight` does.
        """
