# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of step keeps its promise in the test base image's userland, carried out without an appliance."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import KINDS
from ansible_collections.goldsmith.kvm.tests.integration.chroot import Chroot
from ansible_collections.goldsmith.kvm.tests.integration.promises import Place, promise

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", list(KINDS))
def test_promise(kind: str, place: Place, lower: dict[str, Path], tmp_path: Path) -> None:
    told = promise(kind)
    with Chroot.over(lower, tmp_path / "chroot") as chroot:
        chroot.apply(told.steps(place))
        told.check(chroot.root)
