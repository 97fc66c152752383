# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.tests.fixtures import base_image, dummy_images
from ansible_collections.goldsmith.kvm.tests.fixtures.hypervisor import alone
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.mirror import Mirror, small_mirror
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Server, serve
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .chroot import userland
from .examples import Example, Reader, examples, furnish
from .fetching import Fetching
from .hypervisor import Hypervisor
from .promises import Place, serve_place


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.ensure(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Mirror:
    """A sound mirror. Who changes it makes one of their own."""
    return small_mirror(tmp_path_factory.mktemp("mirror") / "root", keys)


@pytest.fixture
def server(mirror: Mirror) -> Iterator[Server]:
    """The sound mirror's server, which may be told to misbehave."""
    with serve(mirror.root) as running:
        yield running


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dummy_images.qcow2(tmp_path_factory.mktemp("image") / "image.img")


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    directory = tmp_path / "tmp"
    directory.mkdir()
    return LocalHost(str(directory))


@pytest.fixture
def fetch(host: LocalHost, server: Server, keys: Keys, tmp_path: Path) -> Fetching:
    """Fetches noble's amd64 server image from the sound mirror into a store below ``tmp_path``."""
    return Fetching(host, tmp_path / "store", mirrors=[server.url], keyring=str(keys.binary))


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[Reader]:
    directory = tmp_path_factory.mktemp("reader")
    with serve(furnish(directory, keys)) as running:
        yield Reader(directory, running.url, keys)


@pytest.fixture(scope="session")
def built_example(reader: Reader) -> Example:
    """The one example of customising that is carried out, and so launches an appliance."""
    guide = [example for example in examples() if example.document == "golden_images.md"]
    example = next(example for example in guide if example.title == "Build a golden image")
    reader.run(example.text, launch=True)
    return example


@pytest.fixture(name="place", scope="module")
def fixture_place(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[Place]:
    """For steps in the chroot: files, and the apt repository."""
    with serve_place(tmp_path_factory.mktemp("promises"), keys) as place:
        yield place


@pytest.fixture(name="lower", scope="module")
def fixture_lower() -> Iterator[dict[str, Path]]:
    """The userland of the test base image, for Chroot.over."""
    image = [image for image in base_image.ensure() if image.lineage == "server"][-1]
    with userland(image.path) as lower:
        yield lower


@pytest.fixture(scope="session")
def hypervisor() -> Iterator[Hypervisor]:
    """A libvirtd of the tests' own. Its directory is not pytest's, as paths of sockets are short."""
    with tempfile.TemporaryDirectory(prefix="kvm-") as directory, Hypervisor.running(Path(directory)) as running:
        yield running


@pytest.fixture
def kvm(hypervisor: Hypervisor) -> Iterator[Hypervisor]:
    """The hypervisor, with no domains before and after the test."""
    with alone():
        hypervisor.empty()
        yield hypervisor
        hypervisor.empty()
