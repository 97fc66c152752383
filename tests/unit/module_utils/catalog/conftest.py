# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog import metadata
from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.model import Item, Request, Trust
from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.resolve import resolve
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.mirror import Mirror, Product, write_mirror
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Server, serve
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

SERIALS = ("20260905", "20261010.1")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.ensure(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    directory = tmp_path / "host"
    directory.mkdir()
    return LocalHost(str(directory))


def small_files(directory: Path) -> list[Product]:
    """A catalog whose images are a line of text each."""

    def product(
        release: str, *file_types: str, lineage: str = "server", arch: str = "amd64", daily: bool = False
    ) -> Product:
        versions: dict[str, dict[str, Path]] = {}
        for serial in SERIALS:
            for file_type in file_types:
                file = directory / f"{release}-{lineage}-{arch}-{daily}-{serial}-{file_type}"
                file.write_text(f"{file.name}\n")
                versions.setdefault(serial, {})[file_type] = file
        return Product(release, versions, lineage, arch, daily)

    return [
        product("noble", "disk1.img", "manifest"),
        product("noble", "disk1.img", arch="arm64"),
        product("jammy", "disk1.img", "disk-kvm.img"),
        product("mantic", "disk1.img"),
        product("noble", "disk1.img", lineage="minimal"),
        product("noble", "disk1.img", daily=True),
    ]


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Mirror:
    """A mirror on which everything is right. Not to be changed."""
    return write_mirror(tmp_path_factory.mktemp("mirror") / "root", small_files(tmp_path_factory.mktemp("files")), keys)


@pytest.fixture
def server(mirror: Mirror) -> Iterator[Server]:
    with serve(mirror.root) as running:
        yield running


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "_BACKOFF", (0.01, 0.01))


def resolve_one(host: LocalHost, request: Request, trust: Trust) -> Item:
    (item,) = resolve(host, request, trust)
    return item
