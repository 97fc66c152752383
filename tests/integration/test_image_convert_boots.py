# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that was converted boots: QEMU reads the VMDK and the VHDX themselves, below an overlay."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .booting import boot_until
from .converting import Converting
from .fetching import sha256

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("image_format", ["vmdk", "vhdx"])
def test_it_boots(host: LocalHost, tmp_path: Path, image_format: str) -> None:
    convert = Converting(host, tmp_path, base_image.ensure()[-1].path)
    name = f"golden.{image_format}"
    result = convert({"dest": name, "format": image_format}, compare=True)
    console = boot_until(r"login: $", convert.path(name), image_format, tmp_path)
    assert "Mounted" in console and "Reached target" in console
    assert sha256(convert.path(name)) == result["outputs"][0]["digest"]
