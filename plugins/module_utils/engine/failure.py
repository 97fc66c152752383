# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to tell the user of a build that failed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..common.errors import CommandError, GoldsmithError, MissingProgramError, StepError, StoreError
from ..recipe.operations import Run, StepOperations
from .guest_scripts import UPLOADS, UPLOADS_IN_MEMORY
from .masking import Mask
from .report_disk import Failed, RawReport

SHOWN_LINES = 20
"""Lines of a step's output that an error shows."""

# The third is what libguestfs makes of an upload for which there is no room.
_DISK_FULL = re.compile(r"No space left on device|You don't have enough free space|^upload: write error: ")
_NO_NETWORK = re.compile(
    r"Temporary failure (?:in name resolution|resolving)|Could not resolve host|Name or service not known"
    r"|Network is unreachable|Could not connect to"
)
NO_KERNEL = "libguestfs cannot build its appliance: there is no kernel in /boot that this user may read"
KERNEL_WAY_OUT = (
    "Use become; or make one readable with chmod 0644 /boot/vmlinuz-*; or set SUPERMIN_KERNEL and SUPERMIN_MODULES to "
    "a kernel and its modules' directory; or install one, such as linux-image-virtual or linux-image-cloud-amd64"
)
SELF_TEST = "See what libguestfs-test-tool says on this host"

LEAST_MEMSIZE = 512
"""MiB with which an appliance starts, and a step or two has room."""
_NO_MEMORY = "137"
"""Exit status of what the kernel killed when memory ran out."""
_NEVER_STARTED = "guestfs_launch failed"
_NO_LAUNCH = rf"{_NEVER_STARTED}|appliance closed the connection unexpectedly|child process died unexpectedly"

_SEVERAL_SYSTEMS = "libguestfs found more than one operating system in the image, and would change each of them"
_ONE_SYSTEM = "Choose as base the image of a single system"

# What virt-customize and libguestfs say, what is meant, and the way out.
_LAUNCH_FAILURES: tuple[tuple[str, str, str], ...] = (
    (
        r"no operating systems? (?:were|was) found|no operating system",
        "libguestfs found no operating system in the image",
        "Look whether the base is the whole disk image of a system, and not a copy that broke off, a blank, an "
        "installer's or an encrypted one",
    ),
    (
        r"could not read key from user",
        "the image, or a part of it, is encrypted (LUKS)",
        "Choose a base that is not encrypted, and encrypt what is made of it",
    ),
    (
        r"multi-boot operating systems are not supported",
        _SEVERAL_SYSTEMS,
        _ONE_SYSTEM,
    ),
    (
        r"too small value for memsize \(must be at least (?P<least>[0-9]+)\)",
        "libguestfs starts no appliance with so small a memsize: {said}",
        "Give it at least memsize: {least}, or leave memsize out",
    ),
    (
        r"host cpu \((?P<host>[^)]*)\) and guest arch \((?P<guest>[^)]*)\) are not compatible",
        "the image is for {guest} and this host is {host}: its programs cannot run here",
        "Build it on a host of that architecture",
    ),
    (
        r"passt exited with status|passt: ",
        "the appliance's network could not be started, because passt failed",
        "Build as root, where it is not used, or with network: false, or remove the package passt",
    ),
    (
        r"supermin: .*Permission denied|cannot open '/boot/vmlinuz|failed to find a suitable kernel",
        NO_KERNEL,
        KERNEL_WAY_OUT,
    ),
    (
        r"supermin",
        "libguestfs cannot build its appliance with supermin: {said}",
        SELF_TEST,
    ),
    (
        # Not any `kvm`, which may stand in a path.
        r"(?i)/dev/kvm|initialize kvm|-accel kvm|kvm run failed|failed to set MSR|\bKVM(?: kernel module|: entry|\.c:)",
        "QEMU could not start the appliance with KVM: {said}",
        "Build without it: accel: tcg",
    ),
    (
        _NO_LAUNCH,
        "libguestfs' appliance did not start: {said}",
        f"{SELF_TEST}, and in dmesg whether QEMU has crashed; where KVM is the cause, accel: tcg does without",
    ),
)

_KILLED = "killed by signal 9"
_UPLOAD = re.compile(rf"(?:{UPLOADS}|{UPLOADS_IN_MEMORY})/(?P<number>[0-9]{{4,}})")
_SPACE = 1024**2
"""A file system with fewer free bytes is full, whatever the program that failed says of it."""


def explain(
    report: RawReport, steps: Mapping[str, StepOperations], rc: int, stderr: str, mask: Mask, memsize: int = 0
) -> GoldsmithError:
    """The error for a virt-customize that ended with ``rc`` and ``stderr``.

    ``steps``: the step by the number of each of its operations; ``memsize``: what the user asked for.
    """
    if "again" in report.frames:
        return CommandError(_SEVERAL_SYSTEMS, _ONE_SYSTEM)
    failed = report.failed
    if failed is not None and failed.number in steps:
        return _step_failed(steps[failed.number], failed, mask.text(report.log(failed.number)))
    said = _said(stderr)
    # Files come in before the first step.
    uploaded = _UPLOAD.search(said)
    step = steps.get(uploaded["number"] if uploaded else report.running)
    if _KILLED in said:
        where = "" if step is None else f" in step {step.label}"
        return CommandError(
            f"something on this host killed the appliance{where}: {said.rstrip('.')}",
            "Mostly that is the kernel when memory runs out; dmesg tells. Free some, or choose a smaller memsize",
            rc=rc,
        )
    if step is not None:
        return _with_way_out(f"step {step.label} failed", said, step)
    if report.running:
        where = "cleaning up in the image" if report.running == "end" else "preparing the image"
        return CommandError(f"{where} failed: {said}", rc=rc)
    return not_launched("virt-customize", rc, stderr, memsize)


def not_launched(program: str, rc: int, stderr: str, memsize: int = 0) -> GoldsmithError:
    """The error for a program of libguestfs that failed before it did anything to the image."""
    said = _said(stderr).rstrip(".")
    if 0 < memsize < LEAST_MEMSIZE and re.search(_NO_LAUNCH, stderr):
        return CommandError(
            f"libguestfs' appliance did not start with memsize: {memsize}: {said}",
            f"Give it more, such as memsize: {LEAST_MEMSIZE}, or leave memsize out",
            rc=rc,
        )
    for pattern, cause, way_out in _LAUNCH_FAILURES:
        found = re.search(pattern, stderr)
        if found:
            words = {"said": said, **found.groupdict()}
            return CommandError(cause.format_map(words), way_out.format_map(words), rc=rc)
    return CommandError(f"{program} failed with exit status {rc}: {said}", SELF_TEST, rc=rc)


def is_unexplained_launch(stderr: str) -> bool:
    """Whether the appliance did not start, before anything was done to the image, and the reason is not told."""
    known = next((pattern for pattern, dummy, dummy in _LAUNCH_FAILURES if re.search(pattern, stderr)), None)
    return known == _NO_LAUNCH and _NEVER_STARTED in stderr


def timed_out(report: RawReport, steps: Mapping[str, StepOperations], seconds: int) -> GoldsmithError:
    """The error for a build that took longer than ``seconds``."""
    step = steps.get(report.running)
    if step is not None:
        return StepError(
            f"the build was stopped after {seconds} seconds, in step {step.label}",
            "Allow the build more by its timeout; without KVM builds take about 20 times as long",
            step=step.index,
        )
    return CommandError(
        f"the build was stopped after {seconds} seconds, "
        + ("before its first step: the appliance did not start" if not report.running else "outside of any step"),
        SELF_TEST,
    )


def host_disk_full(workdir: str) -> GoldsmithError:
    """The error for a build that stood still, because QEMU stops a guest when the host's disk is full."""
    return StoreError(
        f"the file system of {workdir} is full, and the build stood still until its time was over",
        "Free some space there, or choose a directory on another file system",
    )


def missing_program(program: str) -> MissingProgramError:
    """The error for a host without a program of libguestfs."""
    return MissingProgramError(program, "guestfs-tools (libguestfs-tools on Ubuntu 20.04 and Debian 11)")


def _step_failed(step: StepOperations, failed: Failed, log: str) -> GoldsmithError:
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    said = "\n".join(lines[-SHOWN_LINES:])
    if failed.status == "timeout":
        printed = f"the last that it printed:\n{said}" if said else "it printed nothing"
        return StepError(
            f"step {step.label} was stopped, because its timeout was over; {printed}",
            "Give the step a longer timeout; without KVM it takes about 20 times as long",
            step=step.index,
        )
    full = failed.free is not None and failed.free < _SPACE
    cause = f"step {step.label} failed with exit status {failed.status}"
    return _with_way_out(cause, said or "it printed nothing", step, full=full, killed=failed.status == _NO_MEMORY)


def _with_way_out(
    cause: str, said: str, step: StepOperations, *, full: bool = False, killed: bool = False
) -> GoldsmithError:
    way_out = ""
    if full or _DISK_FULL.search(said):
        cause += ", because the image's disk is full"
        way_out = "Give the image a larger disk by size, such as size: 10G"
    elif killed:
        cause += ", because something killed its program"
        way_out = "Mostly that is the appliance's kernel when memory runs out: give it more by memsize"
    elif _NO_NETWORK.search(said) and any(isinstance(operation, Run) for operation in step.operations):
        way_out = (
            "The appliance has no network, or cannot reach the server: look at network, at this host's own access, and "
            "at http_proxy; some versions of libguestfs also need the package dhcpcd-base on this host"
        )
    return StepError(f"{cause}:\n{said}", way_out, step=step.index)


def _said(stderr: str) -> str:
    """The lines of virt-customize's stderr that tell something."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    own = [line for line in lines if line.startswith("goldsmith: ")]
    errors = [line for line in lines if "error:" in line]
    told = own[-1:] or errors[-1:] or lines[-SHOWN_LINES:]
    prefix = r"^(?:goldsmith: |virt-[a-z]+: (?:error: )?(?:libguestfs error: )?)"
    text = "\n".join(re.sub(prefix, "", line) for line in told)
    return text or "it printed nothing"
