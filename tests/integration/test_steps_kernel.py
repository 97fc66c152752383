# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the kernel and its command line, in the test base image's userland with its real update-grub."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.tests.fixtures.apt_repository import (
    BROKEN_KERNEL_VERSION,
    KERNEL_VERSION,
    OTHER_KERNEL_VERSION,
)
from ansible_collections.goldsmith.kvm.tests.integration.chroot import Chroot, StepFailedError
from ansible_collections.goldsmith.kvm.tests.integration.promises import Place

pytestmark = pytest.mark.slow

Steps = list[dict[str, t.Any]]


@pytest.fixture(name="chroot")
def fixture_chroot(lower: dict[str, Path], place: Place, tmp_path: Path) -> Iterator[Chroot]:
    source = {"uris": [place.apt_url], "suites": ["stable"], "components": ["main"]}
    with Chroot.over(lower, tmp_path / "chroot") as chroot:
        chroot.apply([{"apt_repository": {"name": "tests", **source, "key_src": str(place.keys.apt.armored)}}])
        yield chroot


def failure(chroot: Chroot, steps: Steps) -> str:
    """The end of what the step that fails prints."""
    with pytest.raises(StepFailedError) as caught:
        chroot.apply(steps)
    return str(caught.value)[-2000:]


def default(chroot: Chroot) -> str:
    """Version of the kernel that GRUB boots: of a menu entry that is there."""
    configuration = (chroot.root / "boot/grub/grub.cfg").read_text()
    names = re.findall(r'set default="(?:[^">]+>)?([^">]+)"', configuration)
    (name,) = (name for name in names if name != "${next_entry}")
    assert f"$menuentry_id_option '{name}'" in configuration
    return t.cast("str", name.removeprefix("gnulinux-").partition("-advanced-")[0])


def kernels(chroot: Chroot) -> list[str]:
    return sorted(path.name.removeprefix("vmlinuz-") for path in (chroot.root / "boot").glob("vmlinuz-*"))


def test_a_version_stays_the_default_beside_a_newer_one(chroot: Chroot) -> None:
    (base,) = kernels(chroot)
    (chroot.root / "etc/default/grub").write_text("GRUB_DISABLE_SUBMENU=y\n")
    steps: Steps = [{"kernel": {"version": base}}, {"packages": {"install": [f"linux-image-{KERNEL_VERSION}"]}}]
    chroot.apply([*steps, {"run_command": {"command": "update-grub", "network": False}}])
    assert kernels(chroot) == [base, KERNEL_VERSION]
    assert default(chroot) == base


def test_the_newest_of_a_flavour_is_the_default(chroot: Chroot) -> None:
    (base,) = kernels(chroot)
    older, newer = "6.99.0-0-cloud-amd64", "6.99.0-10-cloud-amd64"
    chroot.apply([{"kernel": {"package": "linux-image-goldsmith"}}])
    assert default(chroot) == KERNEL_VERSION
    for version in (older, newer, "7.0.0-1-amd64", "7.0.0-1-rt-cloud-amd64"):
        (chroot.root / f"boot/vmlinuz-{version}").write_text("a kernel")
    chroot.apply([{"run_command": {"command": "update-grub", "network": False}}])
    assert default(chroot) == newer
    for version in (newer, older, KERNEL_VERSION):
        (chroot.root / f"boot/vmlinuz-{version}").unlink()
    chroot.apply([{"run_command": {"command": "update-grub", "network": False}}])
    assert default(chroot) == base


def test_the_others_are_removed_with_what_needs_them(chroot: Chroot) -> None:
    for link in ("vmlinuz", "initrd.img"):
        (chroot.root / "boot" / f"{link}.old").symlink_to(f"{link}-6.0.0-1-cloud-amd64")
    chroot.apply([{"kernel": {"version": OTHER_KERNEL_VERSION, "remove_others": True, "hold": True}}])
    assert kernels(chroot) == [OTHER_KERNEL_VERSION]
    assert default(chroot) == OTHER_KERNEL_VERSION
    boot = chroot.root / "boot"
    assert [link for link in boot.glob("*.old") if not link.exists()] == []
    assert {link: boot.joinpath(link).readlink().name for link in ("vmlinuz", "initrd.img")} == {
        "vmlinuz": f"vmlinuz-{OTHER_KERNEL_VERSION}",
        "initrd.img": f"initrd.img-{OTHER_KERNEL_VERSION}",
    }
    chroot.apply([{"run_command": {"command": "dpkg-query -W -f '${Package} ${Status}\\n' 'linux-image-*'"}}])
    installed = [line for line in chroot.output[-1].splitlines() if line.endswith(" installed")]
    assert installed == [f"linux-image-{OTHER_KERNEL_VERSION} hold ok installed"]
    # Once more: there is nothing to remove.
    chroot.apply([{"kernel": {"version": OTHER_KERNEL_VERSION, "remove_others": True}}])
    assert kernels(chroot) == [OTHER_KERNEL_VERSION]


def test_others_stay_where_the_new_one_could_not_boot(chroot: Chroot) -> None:
    (base,) = kernels(chroot)
    said = failure(chroot, [{"kernel": {"version": BROKEN_KERNEL_VERSION, "remove_others": True}}])
    assert f"there is no /boot/initrd.img-{BROKEN_KERNEL_VERSION}" in said
    assert base in kernels(chroot)
    assert not (chroot.root / "etc/default/grub.d/90-goldsmith-kernel.cfg").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"package": "goldsmith-no-kernel"}, "the package goldsmith-no-kernel brings no kernel"),
        ({"version": "9.9.9-9-none"}, "Unable to locate package linux-image-9.9.9-9-none"),
    ],
)
def test_what_brings_no_kernel(options: dict[str, str], told: str, chroot: Chroot) -> None:
    assert told in failure(chroot, [{"kernel": options}])


def test_a_default_that_another_file_of_the_base_sets(chroot: Chroot) -> None:
    (chroot.root / "etc/default/grub.d/99-theirs.cfg").write_text("GRUB_DEFAULT=0\n")
    said = failure(chroot, [{"kernel": {"package": "linux-goldsmith"}}])
    assert f"does not make {KERNEL_VERSION} the default" in said


def command_lines(chroot: Chroot) -> list[list[str]]:
    """Arguments of each menu entry, behind the kernel's and root's."""
    configuration = (chroot.root / "boot/grub/grub.cfg").read_text()
    return [line.split()[3:] for line in re.findall(r"^\s*linux\s.*", configuration, re.MULTILINE)]


def test_arguments_for_the_usual_entries_only(chroot: Chroot) -> None:
    chroot.apply(
        [
            {"kernel_cmdline": {"append": ["a=1", "b"], "linux_default": True, "remove": ["console=tty1"]}},
            {"kernel_cmdline": {"append": ["c"], "remove": ["b", "ttyS0"], "name": "second"}},
        ]
    )
    simple, advanced, recovery = command_lines(chroot)
    assert simple == advanced == ["ro", "c", "console=ttyS0", "a=1"]
    assert recovery == ["ro", "single", "c"]


def test_a_command_line_that_another_file_of_the_base_sets(chroot: Chroot) -> None:
    (chroot.root / "etc/default/grub.d/99-theirs.cfg").write_text('GRUB_CMDLINE_LINUX=""\n')
    said = failure(chroot, [{"kernel_cmdline": {"append": ["a=1"]}}])
    assert "a file of /etc/default/grub.d that is read after it sets the command line anew" in said


def test_a_command_line_without_grub(chroot: Chroot) -> None:
    (chroot.root / "usr/sbin/update-grub").unlink()
    said = failure(chroot, [{"kernel_cmdline": {"append": ["a=1"]}}])
    assert "the image has no update-grub: install the package grub2-common" in said
