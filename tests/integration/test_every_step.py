# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One recipe with every kind of step, built by a play with the real virt-customize, read back, and booted.

The build takes about ten minutes without KVM, each boot about two.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import KINDS
from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.fixtures.apt_repository import LOOPBACK_IN_APPLIANCE
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.integration.booting import boot
from ansible_collections.goldsmith.kvm.tests.integration.chroot import Chroot, userland
from ansible_collections.goldsmith.kvm.tests.integration.plays import run_tasks
from ansible_collections.goldsmith.kvm.tests.integration.promises import promise, serve_place

pytestmark = pytest.mark.slow


@pytest.fixture(name="image", scope="module")
def fixture_image(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Path:
    directory = tmp_path_factory.mktemp("every-step")
    base = [image for image in base_image.ensure() if image.lineage == "server"][-1]
    with serve_place(directory, keys, LOOPBACK_IN_APPLIANCE) as place:
        task = {
            "goldsmith.kvm.image_customize": {
                "base": {"path": str(base.path)},
                "dest_dir": str(directory / "golden"),
                "store": str(directory / "store"),
                "name": "every-step",
                "size": "6G",
                "steps": [step for kind in KINDS for step in promise(kind).steps(place)],
            }
        }
        (built,) = run_tasks([task], ignore_errors=True)
        assert not built.get("failed"), built["msg"]
        (again,) = run_tasks([task])
    assert not again["changed"]
    assert again["image"] == built["image"]
    return Path(built["image"]["path"])


@pytest.fixture(name="root", scope="module")
def fixture_root(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with userland(image) as lower, Chroot.over(lower, tmp_path_factory.mktemp("chroot") / "chroot") as chroot:
        yield chroot.root


@pytest.mark.parametrize("kind", list(KINDS))
def test_promise(kind: str, root: Path) -> None:
    promise(kind).check(root)


# The scripts of the first boot run when cloud-init has ended.
FIRST_BOOT = (
    'while [ "$(systemctl is-active goldsmith-firstboot)" = activating ]; do sleep 1; done; '
    'echo "waiting=$(ls /var/lib/goldsmith/firstboot | wc -l)"; '
    'echo "failed=$(systemctl list-units --failed --plain --no-legend | wc -l)"'
)


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_boots(firmware: str, image: Path, tmp_path: Path) -> None:
    booted = boot(image, firmware, tmp_path, more=FIRST_BOOT)
    booted.assert_well(firmware)
    assert int(booted.told["root_mib"]) > 6000
    assert "goldsmith.promise=1,2:3" in booted.told["cmdline"]
    assert "promise of firstboot kept" in booted.console
    assert booted.told["waiting"] == "0", booted.end
