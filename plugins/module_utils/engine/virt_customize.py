# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``virt_customize``: all steps in one launch of libguestfs' environment.

It needs no root, and the host's kernel never sees the image's file systems. Seconds go into starting the appliance and
looking at the image, so everything happens in one launch, and mostly in one script.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..common.errors import BadRequestError, CommandError, GoldsmithError, StoreError
from ..common.host import Host
from ..common.os_release import parse_os_release
from ..common.space import free_bytes, require_free_space
from ..disk import qemu_img
from ..recipe.operations import Run
from . import accel as accelerators
from . import build_log, environment, failure, launching, os_release, report_disk
from .commands_file import NEEDED_OPTIONS, Commands, count, files_for_scripts, render
from .masking import Mask
from .model import Build, Report

_PROGRAM = "virt-customize"
_COMMANDS = "commands"
_REPORT = "report.raw"
_ROOM_TO_WORK = 1024**3
"""Bytes that have to be free beside what is uploaded: packages come in, logs, the appliance's own files."""
_FULL = 16 * 1024**2
"""A file system with fewer free bytes is full."""


class VirtCustomize:
    """Carries steps out with virt-customize. See :class:`~.model.Engine`."""

    name = "virt_customize"

    def preflight(self, host: Host, build: Build) -> str:
        """See :meth:`Engine.preflight`. Pass the answer on in ``build.accel``: then it is not found out again."""
        program = _program(host)
        host.require("qemu-img", qemu_img.PACKAGE)
        require_options(host.run([program, "--long-options"]).checked().stdout)
        environment.require_plain_path(build.disk)
        environment.require_kernel()
        return accelerators.decide(host, build.accel)

    def apply(self, host: Host, build: Build) -> Report:
        """See :meth:`Engine.apply`."""
        accelerator = self.preflight(host, build) if build.accel == "auto" else build.accel
        mask = Mask.of(build.steps)
        try:
            return _apply(host, build, accelerator, mask)
        except GoldsmithError as error:
            mask.error(error)
            raise

    def os_release(self, host: Host, disk: str, workdir: str, accel: str) -> dict[str, str]:
        """See :meth:`Engine.os_release`."""
        environment.require_plain_path(disk)
        environment.require_kernel()
        accelerator = accelerators.decide(host, accel)
        return os_release.read(host, disk, environment.launch_environ(host, workdir, accelerator, network=False))


def require_options(known: str) -> None:
    """Raise BadRequestError when virt-customize lacks an option; ``known``: what it says to ``--long-options``."""
    lacking = {option: version for option, version in NEEDED_OPTIONS.items() if option not in known.split()}
    if lacking:
        newest = max(lacking.values(), key=lambda version: [int(number) for number in version.split(".")])
        raise BadRequestError(
            "the virt-customize of this host is too old: it lacks "
            + ", ".join(f"{option} (of version {version})" for option, version in lacking.items()),
            f"Install guestfs-tools (before 1.46: libguestfs-tools) {newest} or newer, or build on another host",
        )


def _apply(host: Host, build: Build, accelerator: str, mask: Mask) -> Report:
    program = _program(host)
    network = _wants_network(build)
    disk = report_disk.ReportDisk.of(count(build.steps))
    sizes = {source: os.stat(source).st_size for source in files_for_scripts(build.steps) if os.path.isfile(source)}
    grown = qemu_img.is_grown(host, build.disk)
    commands = render(build.steps, disk, grow=grown, network=network, sizes=sizes)
    # QEMU stops a guest, without a word, when the host's disk is full.
    require_free_space(build.workdir, _upload_bytes(commands) + _ROOM_TO_WORK, "The build")
    _stage(build.workdir, commands)
    path = _below(build.workdir, _REPORT)
    disk.create(path)
    try:
        done = launching.run(
            host,
            _argv(program, build, accelerator, network),
            environ=environment.launch_environ(host, build.workdir, accelerator, network),
            cwd=build.workdir,
            stdin="",
            timeout=build.timeout,
        )
    except CommandError as error:
        if free_bytes(build.workdir) < _FULL:
            raise failure.host_disk_full(build.workdir) from error
        raise failure.timed_out(disk.read(path), commands.steps, build.timeout) from error
    report = disk.read(path)
    if done.rc != 0 or not report.complete:
        failed = failure.explain(report, commands.steps, done.rc, mask.text(done.stderr), mask, build.memsize)
        seconds = build_log.step_seconds(report, commands.steps, done.stdout)
        failed.log = mask.text(build_log.build_log(report, commands.steps, seconds))
        raise failed
    for warning in build_log.warnings(report, commands.steps):
        host.warn(mask.text(warning))
    seconds = build_log.step_seconds(report, commands.steps, done.stdout)
    before = report_disk.parse_packages(report.frames.get("packages-before", ""))
    after = report_disk.parse_packages(report.frames.get("packages-after", ""))
    return Report(
        accel=accelerator,
        versions={
            _PROGRAM: host.run([program, "--version"]).checked().stdout.split()[-1],
            "qemu-img": qemu_img.version(host),
        },
        seconds=seconds,
        os_release=parse_os_release(report.frames.get("os-release", "")),
        packages_added={name: after[name] for name in sorted(after.keys() - before.keys())},
        packages_removed={name: before[name] for name in sorted(before.keys() - after.keys())},
        packages_changed={
            name: (before[name], after[name])
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        },
        log=mask.text(build_log.build_log(report, commands.steps, seconds)),
    )


def _program(host: Host) -> str:
    program = host.which(_PROGRAM)
    if program is None:
        raise failure.missing_program(_PROGRAM)
    return program


def _wants_network(build: Build) -> bool:
    """Only a build with a step that needs it gets a network."""
    return build.network and any(
        isinstance(operation, Run) and operation.network for step in build.steps for operation in step.operations
    )


def _argv(program: str, build: Build, accelerator: str, network: bool) -> list[str]:
    argv = [program, "--format", "qcow2", "-a", os.path.abspath(build.disk), "--format", "raw", "-a", _REPORT]
    argv += ["--commands-from-file", _COMMANDS, "--no-logfile", "--network" if network else "--no-network"]
    # There are none, and nobody at a terminal is asked for one.
    argv.append("--keys-from-stdin")
    if build.memsize:
        argv += ["--memsize", str(build.memsize)]
    return [*argv, "--smp", str(build.smp or environment.default_smp(accelerator))]


def _upload_bytes(commands: Commands) -> int:
    """Size of all files that are uploaded; StoreError for what is none."""
    for name, source in commands.uploads.items():
        if not os.path.isfile(source):
            step = commands.steps[os.path.basename(name).partition(".")[0]]
            raise StoreError(f"step {step.label}: the file {source} does not exist on this host, or is none")
    return sum(os.stat(source).st_size for source in commands.uploads.values())


def _stage(workdir: str, commands: Commands) -> None:
    """Write what virt-customize reads. ``workdir`` may be entered by its owner alone."""
    files: Mapping[str, str] = {_COMMANDS: "".join(f"{line}\n" for line in commands.lines), **commands.files}
    for name, content in files.items():
        os.makedirs(os.path.dirname(_below(workdir, name)), mode=0o700, exist_ok=True)
        with open(_below(workdir, name), "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(content)
    for name, source in commands.uploads.items():
        os.makedirs(os.path.dirname(_below(workdir, name)), mode=0o700, exist_ok=True)
        os.symlink(os.path.abspath(source), _below(workdir, name))


def _below(workdir: str, name: str) -> str:
    return os.path.join(os.path.abspath(workdir), name)
