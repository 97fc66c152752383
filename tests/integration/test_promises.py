# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of step keeps its promise in the test base image's userland, carried out without an appliance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import KINDS
from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.fixtures.apt_repository import write_repository
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.server import serve
from ansible_collections.goldsmith.kvm.tests.integration.chroot import Chroot, userland
from ansible_collections.goldsmith.kvm.tests.integration.promises import Place, promise

pytestmark = pytest.mark.slow


@pytest.fixture(name="place", scope="module")
def fixture_place(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("promises")
    with keys.session():
        write_repository(directory / "tree" / "apt", keys)
    with serve(directory / "tree") as server:
        yield Place(directory / "files", f"{server.url}/apt", keys)


@pytest.fixture(name="lower", scope="module")
def fixture_lower() -> Iterator[dict[str, Path]]:
    image = [image for image in base_image.ensure() if image.lineage == "server"][-1]
    with userland(image.path) as lower:
        yield lower


@pytest.mark.parametrize("kind", list(KINDS))
def test_promise(kind: str, place: Place, lower: dict[str, Path], tmp_path: Path) -> None:
    told = promise(kind)
    with Chroot.over(lower, tmp_path / "chroot") as chroot:
        chroot.apply(told.steps(place))
        told.check(chroot.root)
