# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found out before the launch."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError, StoreError
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.model import Build
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.virt_customize import (
    VirtCustomize,
    require_options,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import (
    Operation,
    StepOperations,
    Upload,
    Write,
)
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.small_tmpfs import small_tmpfs


@pytest.fixture(name="small_disk")
def fixture_small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_tmpfs(tmp_path / "small", "1M") as directory:
        yield directory


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (Write("x" * 4 * 1024**2, "/etc/motd"), r"The build needs 1 GiB in .*/small, and .* are free there"),
        (Upload("/absent", "/opt/absent"), r"step 1 \(put\): the file /absent does not exist on this host"),
    ],
)
def test_what_does_not_fit_or_is_not_there(small_disk: Path, operation: Operation, said: str) -> None:
    base, disk = small_disk.with_name("base.qcow2"), small_disk / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "64M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, disk], check=True)
    steps = (StepOperations(1, "put", "1 (put)", (operation,)),)
    host = LocalHost(str(small_disk.parent))
    with pytest.raises(StoreError, match=said):
        VirtCustomize().apply(host, Build(str(disk), str(small_disk), steps, accel="tcg"))
    assert os.listdir(small_disk) == ["disk.qcow2"]


# virt-customize 1.48 has more; these are among them.
OPTIONS = """\
--add --commands-from-file --copy-in --keys-from-stdin --memsize --no-logfile --no-network --run --run-command --upload
"""


@pytest.mark.parametrize(
    ("lacking", "cause", "newest"),
    [
        ((), None, None),
        (("--run",), "it lacks --run (of version 1.26)", "1.26"),
        (
            ("--run", "--copy-in"),
            "it lacks --run (of version 1.26), --copy-in (of version 1.30)",
            "1.30",
        ),
    ],
)
def test_what_an_old_virt_customize_lacks(lacking: tuple[str, ...], cause: str | None, newest: str | None) -> None:
    known = "\n".join(option for option in OPTIONS.split() if option not in lacking)
    if cause is None:
        require_options(known)
        return
    with pytest.raises(BadRequestError) as caught:
        require_options(known)
    assert caught.value.cause == f"the virt-customize of this host is too old: {cause}"
    assert caught.value.way_out == (
        f"Install guestfs-tools (before 1.46: libguestfs-tools) {newest} or newer, or build on another host"
    )
