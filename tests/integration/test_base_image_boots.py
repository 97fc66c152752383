# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test base image boots with both firmwares, and cloud-init ends in it without an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.integration.booting import boot

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("firmware", "lineage"), [("bios", "server"), ("uefi", "minimal")])
def test_boots_to_the_end_of_cloud_init(firmware: str, lineage: str, tmp_path: Path) -> None:
    image = [image for image in base_image.ensure() if image.lineage == lineage][-1]
    booted = boot(image.path, firmware, tmp_path)
    booted.assert_well(firmware)
    assert int(booted.told["root_mib"]) > 3500, "cloud-init did not grow the root file system"
    assert booted.told["ssh"] == "active"
    assert "ubuntu:x:1000:" in booted.console
