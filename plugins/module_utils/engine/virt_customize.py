# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``virt_customize``: all steps in one launch of libguestfs' appliance.

It needs no root, and the host's kernel never sees the image's file systems. Seconds go into starting the appliance and
looking at the image, so everything happens in one launch: a commands file of numbered scripts.
"""

from __future__ import annotations

import glob
import os
import re
import secrets
from collections.abc import Mapping

from ..common.errors import BadRequestError, CommandError, StoreError
from ..common.host import Completed, Host
from ..common.space import free_bytes, require_free_space
from ..disk import qemu_img
from ..recipe.operations import Run, StepOperations
from . import accel, failure, report_disk
from .commands_file import BEGIN, Commands, render
from .guest_scripts import STAGED
from .model import Build, Report

_PROGRAM = "virt-customize"
_COMMANDS = "commands"
_REPORT = "report.raw"
_NEEDED_OPTIONS = ("--commands-from-file", "--copy-in", "--ssh-inject", "--no-logfile", "--no-network")
_ROOM_TO_WORK = 1024**3
"""Bytes that have to be free beside what is uploaded: packages come in, logs, the appliance's own files."""
_FULL = 16 * 1024**2
"""A file system with fewer free bytes is full."""
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
_PROGRESS = re.compile(r"^\[\s*(?P<at>[0-9]+\.[0-9]+)\] (?:Running: (?P<command>.*))?")


class VirtCustomize:
    """Carries steps out with virt-customize. See :class:`~.model.Engine`."""

    name = "virt_customize"

    def preflight(self, host: Host, build: Build) -> str:
        """See :meth:`Engine.preflight`. Pass the answer on in ``build.accel``: then it is not found out again."""
        program = _program(host)
        host.require("qemu-img", qemu_img.PACKAGE)
        options = set(host.run([program, "--long-options"]).checked().stdout.split())
        lacking = [option for option in _NEEDED_OPTIONS if option not in options]
        if lacking:
            raise BadRequestError(
                f"the virt-customize of this host is too old: it has no {' and no '.join(lacking)}",
                "Install guestfs-tools 1.40 or newer, or build on another host",
            )
        if ":" in os.path.abspath(build.disk):
            raise BadRequestError(
                f"libguestfs cannot open {build.disk}, because of the colon in its path", "Choose another directory"
            )
        _require_kernel()
        return accel.decide(host, build.accel)

    def apply(self, host: Host, build: Build) -> Report:
        """See :meth:`Engine.apply`. ``log`` holds a secret where a step printed one."""
        accelerator = self.preflight(host, build) if build.accel == "auto" else build.accel
        magic = f"goldsmith report {secrets.token_hex(16)}"
        network = _wants_network(build)
        commands = render(build.steps, magic, grow=qemu_img.is_grown(host, build.disk), network=network)
        # QEMU stops a guest, without a word, when the host's disk is full.
        require_free_space(build.workdir, _upload_bytes(commands) + _ROOM_TO_WORK, "The build")
        _stage(build.workdir, commands)
        report_disk.create(_below(build.workdir, _REPORT), magic, len(commands.steps))
        try:
            done = host.run(
                _argv(_program(host), build, network),
                environ=launch_environ(host, build.workdir, accelerator, network),
                cwd=build.workdir,
                timeout=build.timeout,
            )
        except CommandError as error:
            if free_bytes(build.workdir) < _FULL:
                raise failure.host_disk_full(build.workdir) from error
            report = report_disk.read(_below(build.workdir, _REPORT), magic)
            raise failure.timed_out(report, commands.steps, build.timeout) from error
        report = report_disk.read(_below(build.workdir, _REPORT), magic)
        if done.rc != 0 or not report.complete:
            raise failure.explain(report, commands.steps, done.rc, done.stderr)
        _pass_on_warnings(host, report.frames.get("warnings", ""), commands.steps)
        return _report(host, accelerator, commands, report, done)


def _program(host: Host) -> str:
    program = host.which(_PROGRAM)
    if program is None:
        raise failure.missing_virt_customize()
    return program


def _wants_network(build: Build) -> bool:
    """Only a build with a step that needs it gets a network."""
    return build.network and any(
        isinstance(operation, Run) and operation.network for step in build.steps for operation in step.operations
    )


def _require_kernel() -> None:
    """supermin builds the appliance from a kernel of the host, which Ubuntu lets only root read."""
    if os.environ.get("SUPERMIN_KERNEL"):
        return
    kernels = glob.glob("/boot/vmlinuz-*") + glob.glob("/lib/modules/*/vmlinuz")
    if not any(os.access(kernel, os.R_OK) for kernel in kernels):
        raise BadRequestError(failure.NO_KERNEL, failure.KERNEL_WAY_OUT)


def _argv(program: str, build: Build, network: bool) -> list[str]:
    argv = [program, "--format", "qcow2", "-a", os.path.abspath(build.disk), "--format", "raw", "-a", _REPORT]
    argv += ["--commands-from-file", _COMMANDS, "--no-logfile", "--network" if network else "--no-network"]
    if build.memsize:
        argv += ["--memsize", str(build.memsize)]
    if build.smp:
        argv += ["--smp", str(build.smp)]
    return argv


def launch_environ(host: Host, workdir: str, accelerator: str, network: bool) -> dict[str, str]:
    """What is added to the environment of a tool of libguestfs; ``workdir`` has the directories ``bin`` and ``tmp``."""
    environ = {
        "LIBGUESTFS_BACKEND": "direct",
        "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg" if accelerator == "tcg" else "",
        # Both would fill the output with everything that is done, contents of files among it.
        "LIBGUESTFS_DEBUG": "0",
        "LIBGUESTFS_TRACE": "0",
        "TMPDIR": _below(workdir, "tmp"),
        # TMPDIR would move the cached appliance too.
        "LIBGUESTFS_CACHEDIR": cache_directory(os.environ),
    }
    # virt-customize hands on the lower-case names alone.
    for name in _PROXIES:
        value = os.environ.get(name) or os.environ.get(name.upper())
        if value:
            environ[name] = value
    if network and os.geteuid() == 0 and host.which("passt"):
        # libguestfs prefers passt, which drops root's rights and then cannot write its pid file. Where `passt --help`
        # fails, libguestfs uses QEMU's own user network.
        environ["PATH"] = f"{_below(workdir, 'bin')}:{os.environ.get('PATH', os.defpath)}"
    return environ


def cache_directory(environ: Mapping[str, str]) -> str:
    """Where libguestfs keeps its appliance from one launch to the next.

    As libguestfs itself has it, but for a TMPDIR that this user may not write: one that was inherited through become.
    """
    tmpdir = environ.get("TMPDIR", "")
    return environ.get("LIBGUESTFS_CACHEDIR") or (tmpdir if os.access(tmpdir, os.W_OK | os.X_OK) else "/var/tmp")


def _upload_bytes(commands: Commands) -> int:
    """Size of all files that are uploaded; StoreError for what is none."""
    for name, source in commands.uploads.items():
        if not os.path.isfile(source):
            step = commands.steps[os.path.basename(name).partition(".")[0]]
            raise StoreError(f"step {step.label}: the file {source} does not exist on this host, or is none")
    return sum(os.stat(source).st_size for source in commands.uploads.values())


def _stage(workdir: str, commands: Commands) -> None:
    """Write what virt-customize reads. ``workdir`` may be entered by its owner alone."""
    for directory in ("bin", "tmp", "staged", "staged/scripts", "staged/contents", "keys", "uploads"):
        os.makedirs(_below(workdir, directory), mode=0o700, exist_ok=True)
    files = {_COMMANDS: "".join(f"{line}\n" for line in commands.lines), **commands.files}
    for name, content in files.items():
        os.makedirs(os.path.dirname(_below(workdir, name)), mode=0o700, exist_ok=True)
        with open(_below(workdir, name), "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(content)
    for name, source in commands.uploads.items():
        os.symlink(os.path.abspath(source), _below(workdir, name))
    with open(_below(workdir, "bin/passt"), "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 1\n")
        os.fchmod(file.fileno(), 0o700)


def _below(workdir: str, name: str) -> str:
    return os.path.join(os.path.abspath(workdir), name)


def _pass_on_warnings(host: Host, warnings: str, steps: Mapping[str, StepOperations]) -> None:
    for line in warnings.splitlines():
        number, dummy, text = line.partition(" ")
        step = steps.get(number)
        host.warn(f"step {step.label} {text}" if step is not None else text)


def _report(host: Host, accelerator: str, commands: Commands, report: report_disk.RawReport, done: Completed) -> Report:
    before = report_disk.parse_packages(report.frames.get("packages-before", ""))
    after = report_disk.parse_packages(report.frames.get("packages-after", ""))
    return Report(
        accel=accelerator,
        versions={
            _PROGRAM: host.run([_program(host), "--version"]).checked().stdout.split()[-1],
            "qemu-img": qemu_img.version(host),
        },
        seconds=step_seconds(done.stdout, commands.steps),
        os_release=report_disk.parse_os_release(report.frames.get("os-release", "")),
        packages_added={name: after[name] for name in sorted(after.keys() - before.keys())},
        packages_removed={name: before[name] for name in sorted(before.keys() - after.keys())},
        packages_changed={
            name: (before[name], after[name])
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        },
        log="".join(
            f"==> step {commands.steps[number].label}\n{text}"
            for number, text in report.logs().items()
            if number in commands.steps
        ),
    )


def step_seconds(stdout: str, steps: Mapping[str, StepOperations]) -> dict[str, float]:
    """Seconds by the steps' labels, ``launch`` before and ``end`` after them, from virt-customize's progress lines."""
    seconds: dict[str, float] = {}
    label, since = "launch", 0.0
    for line in stdout.splitlines():
        found = _PROGRESS.match(line)
        if found is None:
            continue
        words = (found["command"] or "").split()
        if words == [BEGIN]:
            entered = "begin"
        elif words[-1:] == [f"{STAGED}/end"]:
            entered = "end"
        else:
            number = words[words.index(f"{STAGED}/run") + 1] if f"{STAGED}/run" in words[:-1] else ""
            entered = steps[number].label if number in steps else label
        at = float(found["at"])
        seconds[label] = seconds.get(label, 0.0) + at - since
        label, since = entered, at
    return {label: round(value, 1) for label, value in seconds.items()}
