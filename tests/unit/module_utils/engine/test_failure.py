# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures in the words of virt-customize 1.48 and supermin 5.2, abridged, where no other version is named."""

from __future__ import annotations

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import CommandError, StepError
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import failure
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.masking import Mask
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.report_disk import RawReport
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Run, StepOperations, Upload

PACKAGES = StepOperations(2, "packages", "2 (packages)", (Run("apt-get update", network=True),))
UPLOAD = StepOperations(3, "upload", "3 (upload)", (Upload("/srv/a", "/opt/a"),))
STEPS = {"0001": PACKAGES, "0002": UPLOAD, "0003": UPLOAD}
SUPERMIN = """\
cp: cannot open '/boot/vmlinuz-6.8.0-51-generic' for reading: Permission denied
supermin: cp -p '/boot/vmlinuz-6.8.0-51-generic' '/var/tmp/.guestfs-1000/appliance.d.1y9/kernel': command failed, \
see earlier errors
virt-customize: error: libguestfs error: /usr/bin/supermin exited with error status 1."""
MASK = Mask({"s3cret"})
KVM = """\
qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69
qemu-system-x86_64: kvm.c:2876: kvm_buf_set_msrs: Assertion `ret == cpu->kvm_msr_buf->nmsrs' failed.
virt-customize: error: libguestfs error: guestfs_launch failed."""
ADVICE = """

If reporting bugs, run virt-customize with debugging enabled and include the complete output:

  virt-customize -v -x [...]

"""


@pytest.mark.parametrize(
    ("stderr", "cause", "way_out"),
    [
        (
            "virt-customize: error: no operating systems were found in the guest image",
            "libguestfs found no operating system in the image",
            "Look whether the base",
        ),
        (
            "virt-customize: error: host cpu (x86_64) and guest arch (aarch64) are not compatible, so you cannot use",
            "the image is for aarch64 and this host is x86_64",
            "host of that architecture",
        ),
        (
            "getline: Success\n/usr/bin/virt-customize: could not read key from user",
            "is encrypted (LUKS)",
            "Choose a base that is not encrypted",
        ),
        (
            "virt-cat: multi-boot operating systems are not supported",
            "libguestfs found more than one operating system",
            "single system",
        ),
        (
            "virt-customize: error: libguestfs error: too small value for memsize (must be at least 256)",
            "so small a memsize",
            "at least memsize: 256",
        ),
        (  # 1.54
            "virt-customize: error: libguestfs error: passt exited with status 1",
            "the appliance's network could not be started, because passt failed",
            "Build as root",
        ),
        (
            SUPERMIN,
            "there is no kernel in /boot that this user may read",
            "SUPERMIN_KERNEL",
        ),
        (
            "virt-customize: error: libguestfs error: /usr/bin/supermin exited with error status 1.",
            "cannot build its appliance with supermin: /usr/bin/supermin exited with error status 1",
            "libguestfs-test-tool",
        ),
        (
            KVM,
            "QEMU could not start the appliance with KVM: guestfs_launch failed",
            "accel: tcg",
        ),
        (
            "virt-customize: error: libguestfs error: appliance closed the connection unexpectedly.",
            "appliance did not start: appliance closed the connection unexpectedly",
            "libguestfs-test-tool",
        ),
        (
            "virt-customize: error: libguestfs error: /srv/kvm/store/disk.qcow2: the sky fell",
            "failed with exit status 1: /srv/kvm/store/disk.qcow2: the sky fell",
            "libguestfs-test-tool",
        ),
        (
            "Could not access KVM kernel module: Permission denied\nvirt-customize: error: guestfs_launch failed.",
            "QEMU could not start the appliance with KVM: guestfs_launch failed",
            "accel: tcg",
        ),
        ("virt-customize: error: the sky fell", "failed with exit status 1: the sky fell", "libguestfs-test-tool"),
        ("", "failed with exit status 1: it printed nothing", "libguestfs-test-tool"),
    ],
)
def test_before_the_first_step(stderr: str, cause: str, way_out: str) -> None:
    error = failure.explain(RawReport(""), STEPS, 1, stderr + ADVICE if stderr else "", MASK)
    assert isinstance(error, CommandError)
    assert cause in error.cause
    assert way_out in error.way_out


@pytest.mark.parametrize(
    ("stderr", "unexplained"),
    [
        ("virt-customize: error: libguestfs error: guestfs_launch failed.", True),
        ("virt-cat: error: libguestfs error: guestfs_launch failed.", True),
        (KVM, False),
        (SUPERMIN, False),
        # That may be in the middle of a step.
        ("virt-customize: error: libguestfs error: appliance closed the connection unexpectedly.", False),
        ("virt-customize: error: no operating systems were found in the guest image", False),
        ("", False),
    ],
)
def test_when_it_is_worth_a_second_try(stderr: str, unexplained: bool) -> None:
    assert failure.is_unexplained_launch(stderr + ADVICE) == unexplained


@pytest.mark.parametrize(("running", "where"), [("", ""), ("begin", ""), ("0001", " in step 2 (packages)")])
def test_an_appliance_that_was_killed(running: str, where: str) -> None:
    stderr = "virt-customize: error: libguestfs error: /usr/bin/qemu-system-x86_64 killed by signal 9 (Killed)."
    error = failure.explain(RawReport(running), STEPS, 1, stderr + ADVICE, MASK)
    assert f"killed the appliance{where}: /usr/bin/qemu-system-x86_64 killed by signal 9 (Killed). Mostly" in str(error)
    assert "memsize" in error.way_out


def failed(number: str, status: str, log: str) -> str:
    report = RawReport(number, True, {"failed": f"{number} {status}\n", f"log.{number}": log})
    error = failure.explain(
        report, STEPS, 1, f"virt-customize: error: main: command exited with an error{ADVICE}", MASK
    )
    assert isinstance(error, StepError)
    assert error.details == {"step": STEPS[number].index}
    return str(error)


def test_a_step_that_fails_shows_the_end_of_its_output() -> None:
    log = "".join(f"line {number}\n\n" for number in range(100))
    assert (
        failed("0001", "3", log)
        == "step 2 (packages) failed with exit status 3:\n"
        + "\n".join(f"line {number}" for number in range(80, 100))
        + "."
    )
    assert failed("0001", "1", "") == "step 2 (packages) failed with exit status 1:\nit printed nothing."


def test_what_a_step_s_output_tells() -> None:
    full = failed("0001", "100", "E: You don't have enough free space in /var/cache/apt/archives/.\n")
    assert "because the image's disk is full" in full
    assert "size: 10G" in full
    # A program that does not say so: dash's printf, for one.
    unsaid = failed("0001", "2 0 4096", "main: 1: printf: I/O error\n")
    assert "failed with exit status 2, because the image's disk is full:\nmain: 1: printf: I/O error" in unsaid
    assert "full" not in failed("0001", "2 99999 4096", "main: 1: printf: I/O error\n")
    offline = failed("0001", "100", "E: Failed to fetch …  Temporary failure resolving 'archive.ubuntu.com'\n")
    assert "The appliance has no network" in offline
    assert "over; the last that it printed:\nwaiting. Give the step" in failed("0001", "timeout", "waiting\n")
    assert "over; it printed nothing. Give the step" in failed("0001", "timeout", "\n")


def test_an_upload_that_fails_belongs_to_its_step() -> None:
    stderr = "virt-customize: error: libguestfs error: upload: write error: /.goldsmith/uploads/0002"
    error = failure.explain(RawReport("begin"), STEPS, 1, stderr + ADVICE, MASK)
    assert str(error) == (
        "step 3 (upload) failed, because the image's disk is full:\n"
        "upload: write error: /.goldsmith/uploads/0002. "
        "Give the image a larger disk by size, such as size: 10G."
    )


def test_a_secret_is_masked_in_what_a_step_printed() -> None:
    assert failed("0001", "3", "the key s3cret\n") == "step 2 (packages) failed with exit status 3:\nthe key ********."


@pytest.mark.parametrize(
    ("memsize", "way_out"), [(0, "libguestfs-test-tool"), (200, "memsize: 512"), (900, "test-tool")]
)
def test_too_little_memory(memsize: int, way_out: str) -> None:
    stderr = "virt-customize: error: libguestfs error: appliance closed the connection unexpectedly."
    assert way_out in failure.explain(RawReport(""), STEPS, 1, stderr + ADVICE, MASK, memsize).way_out


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        ("", "the build was stopped after 60 seconds, before its first step"),
        ("begin", "the build was stopped after 60 seconds, outside of any step"),
        ("0003", "the build was stopped after 60 seconds, in step 3 (upload)"),
    ],
)
def test_time_out(running: str, expected: str) -> None:
    assert str(failure.timed_out(RawReport(running), STEPS, 60)).startswith(expected)
