# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.transfer import connections
from ansible_collections.goldsmith.kvm.plugins.module_utils.transfer.download import Transferred, download
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Server, serve
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

CHUNK = 64 * 1024


@dataclass
class Bench:
    """A file on a server, and the place where it is fetched to."""

    directory: Path
    server: Server
    data: bytes
    host: LocalHost
    settings: dict[str, object] = field(default_factory=lambda: {"chunk_size": CHUNK, "first_pause": 0.01})

    @property
    def url(self) -> str:
        return self.server.url + "/disk.img"

    @property
    def part(self) -> Path:
        return self.directory / "disk.img.part"

    @property
    def sidecar(self) -> Path:
        return self.directory / "disk.img.part.json"

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(self.data).hexdigest()

    def publish(self, data: bytes, name: str = "disk.img") -> None:
        (Path(self.server.root) / name).write_bytes(data)

    def fetch(self, *urls: str, **options: object) -> Transferred:
        arguments = {"expected": self.digest, **self.settings, **options}
        return download(self.host, urls or (self.url,), str(self.part), **arguments)  # type: ignore[arg-type]

    def check(self, transferred: Transferred, data: bytes | None = None) -> None:
        """The part is complete and right, and nothing else is left."""
        wanted = self.data if data is None else data
        assert self.part.read_bytes() == wanted
        assert transferred.digest == "sha256:" + hashlib.sha256(wanted).hexdigest()
        assert transferred.size == len(wanted)
        assert sorted(os.listdir(self.directory)) == [self.part.name]


def make_bench(tmp_path: Path, server: Server, data: bytes) -> Bench:
    directory = tmp_path / "store"
    directory.mkdir()
    bench = Bench(directory, server, data, LocalHost(str(tmp_path)))
    bench.publish(data)
    return bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """One megabyte and a bit on a server that behaves."""
    root = tmp_path / "www"
    root.mkdir()
    with serve(root) as server:
        yield make_bench(tmp_path, server, random.Random(1).randbytes(1_000_003))


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """All connections join at once, however fast the first one is."""
    monkeypatch.setattr(connections, "_LOOK_EVERY", 0.001)
    monkeypatch.setattr(connections, "_FAST", float("inf"))
