# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import appliance, failure

# What supermin 5.2.2 says, by itself and with SUPERMIN_KERNEL.
FOUND = """\
supermin: build: 2 files, after munging
supermin: kernel: looking for kernel using environment variables ...
supermin: kernel: looking for kernels in /lib/modules/*/vmlinuz ...
supermin: kernel: looking for kernels in /boot ...
supermin: kernel: kernel version of {kernel} = 6.1.0 (from content)
supermin: kernel: picked modules path /lib/modules/6.1.0
supermin: kernel: picked vmlinuz {kernel}
supermin: kernel: kernel_version 6.1.0
supermin: kernel: modpath /lib/modules/6.1.0
supermin: ext2: creating empty ext2 filesystem
"""
GIVEN = """\
supermin: kernel: looking for kernel using environment variables ...
supermin: kernel: SUPERMIN_KERNEL={kernel}
supermin: kernel: kernel version of {kernel} = 6.1.0 (from content)
supermin: kernel: SUPERMIN_MODULES=/lib/modules/6.1.0
supermin: kernel: picked vmlinuz {kernel}
supermin: kernel: kernel_version 6.1.0
supermin: kernel: modpath /lib/modules/6.1.0
"""
NONE = """\
supermin: kernel: looking for kernels in /boot ...
supermin: failed to find a suitable kernel (host_cpu=x86_64).

I looked for kernels in /boot and modules in /lib/modules.
"""


@pytest.mark.parametrize("said", [FOUND, GIVEN], ids=["found", "given"])
def test_the_kernel_that_was_picked(said: str, tmp_path: Path) -> None:
    kernel = tmp_path / "vmlinuz-6.1.0"
    kernel.touch()
    assert appliance.picked(said.format(kernel=kernel)) == appliance.Kernel(str(kernel), "/lib/modules/6.1.0")


def test_a_kernel_that_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError) as caught:
        appliance.picked(FOUND.format(kernel=tmp_path / "missing"))
    assert caught.value.cause == (
        f"libguestfs takes the newest kernel, {tmp_path}/missing, for its appliance, and this user may not read it"
    )
    assert caught.value.way_out == failure.KERNEL_WAY_OUT


@given(st.text() | st.just(NONE))
def test_no_kernel_whatever_else_is_said(said: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        appliance.picked(said)
    assert caught.value.cause == failure.NO_KERNEL


@pytest.mark.parametrize(
    ("machine", "program", "package"),
    [
        ("x86_64", "qemu-system-x86_64", "qemu-system-x86"),
        ("aarch64", "qemu-system-aarch64", "qemu-system-arm"),
        ("ppc64le", "qemu-system-ppc64", "qemu-system-ppc"),
        ("s390x", "qemu-system-s390x", "qemu-system"),
    ],
)
def test_qemu_of_an_architecture(monkeypatch: pytest.MonkeyPatch, machine: str, program: str, package: str) -> None:
    monkeypatch.setattr(appliance.platform, "machine", lambda: machine)
    assert (appliance.qemu_program(), appliance.qemu_package()) == (program, package)
