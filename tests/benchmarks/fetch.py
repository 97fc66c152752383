# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching a 500 MB image: image_fetch against curl with sha256sum, and against get_url with a checksum."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fixtures.keys import Keys
from tests.fixtures.mirror import Mirror, Product, Published, write_mirror

from .measure import Comparison, Ran, alternate, run
from .modules import module, task
from .nginx import nginx

_LIMIT_MIB = 25
_SERIAL = "20261010"


@dataclass(frozen=True)
class Served:
    """The image as nginx serves it."""

    keys: Keys
    image: Published
    fast: str
    limited: str
    directory: Path

    def fetch(self, url: str, store: str, **options: object) -> dict[str, object]:
        return {
            "mirrors": [url],
            "release": "noble",
            "arch": "amd64",
            "keyring": str(self.keys.armored),
            "store": str(self.directory / store),
            **options,
        }


def benchmarks(directory: Path, size_mib: int, rounds: int) -> list[Comparison]:
    with _served(directory, size_mib) as served:
        return [*_cold(served, rounds), *_warm(served, rounds), *_limited(served)]


@contextmanager
def _served(directory: Path, size_mib: int) -> Iterator[Served]:
    keys = Keys.ensure(directory / "keys")
    raw, image = directory / "image.raw", directory / "image.qcow2"
    with open(raw, "wb") as file:
        for dummy in range(size_mib):
            file.write(os.urandom(1024 * 1024))
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)])
    raw.unlink()
    tree: Mirror = write_mirror(
        directory / "mirror", [Product(release="noble", versions={_SERIAL: {"disk1.img": image}})], keys
    )
    with nginx(tree.root, directory / "nginx", f"{_LIMIT_MIB}m") as (fast, limited):
        yield Served(keys, tree.item("noble", "server", "amd64", _SERIAL), fast, limited, directory)


def _cold(served: Served, rounds: int) -> list[Comparison]:
    url, digest = served.fast + served.image.url_path, served.image.sha256
    copy = served.directory / "copy.img"
    sums = served.directory / "SHA256SUMS"
    sums.write_text(f"{digest}  {copy}\n")

    def ours() -> Ran:
        shutil.rmtree(served.directory / "store", ignore_errors=True)
        return module("image_fetch", served.fetch(served.fast, "store"))[0]

    def ours_as_task() -> Ran:
        shutil.rmtree(served.directory / "store", ignore_errors=True)
        return task("goldsmith.kvm.image_fetch", served.fetch(served.fast, "store"))

    def curl() -> Ran:
        copy.unlink(missing_ok=True)
        return run(["sh", "-ec", 'curl -sSf -o "$1" "$2"; sha256sum --quiet -c "$3"', "-", str(copy), url, str(sums)])

    def get_url() -> Ran:
        copy.unlink(missing_ok=True)
        return task("ansible.builtin.get_url", {"url": url, "dest": str(copy), "checksum": f"sha256:{digest}"})

    mine, peer = alternate(rounds, ours, curl)
    mine_as_task, peer_task = alternate(rounds, ours_as_task, get_url)
    return [
        Comparison("fetch, cold", _seconds(mine), _seconds(peer), "curl + sha256sum", bound=0.8),
        Comparison("fetch, cold, a whole Ansible task", _seconds(mine_as_task), _seconds(peer_task), "get_url"),
        Comparison("fetch, cold, peak memory", _peak(mine_as_task), _peak(peer_task), "get_url", unit="MiB"),
    ]


def _warm(served: Served, rounds: int) -> list[Comparison]:
    url, digest = served.fast + served.image.url_path, served.image.sha256
    copy, sums = served.directory / "copy.img", served.directory / "SHA256SUMS"
    inside: list[float] = []

    def ours() -> Ran:
        ran, result = module("image_fetch", served.fetch(served.fast, "store"))
        if result["changed"]:
            raise SystemExit("a warm fetch changed something")
        inside.append(sum(result["stages"].values()))
        return ran

    def ours_as_task() -> Ran:
        return task("goldsmith.kvm.image_fetch", served.fetch(served.fast, "store"))

    def sha256sum() -> Ran:
        return run(
            ["sh", "-ec", 'curl -sSf -z "$1" -o "$1" "$2"; sha256sum --quiet -c "$3"', "-", str(copy), url, str(sums)]
        )

    def get_url() -> Ran:
        return task("ansible.builtin.get_url", {"url": url, "dest": str(copy), "checksum": f"sha256:{digest}"})

    mine, peer = alternate(rounds, ours, sha256sum)
    mine_as_task, peer_task = alternate(rounds, ours_as_task, get_url)
    return [
        Comparison("fetch, warm, inside the module", inside, bound=0.3),
        Comparison("fetch, warm", _seconds(mine), _seconds(peer), "curl -z + sha256sum"),
        Comparison("fetch, warm, a whole Ansible task", _seconds(mine_as_task), _seconds(peer_task), "get_url"),
    ]


def _limited(served: Served) -> list[Comparison]:
    """Once each: the server's limit makes the time, not the machine."""
    copy = served.directory / "copy.img"

    def curl() -> Ran:
        copy.unlink(missing_ok=True)
        return run(["curl", "-sSf", "-o", str(copy), served.limited + served.image.url_path])

    def ours(connections: int) -> Ran:
        shutil.rmtree(served.directory / "limited", ignore_errors=True)
        return module("image_fetch", served.fetch(served.limited, "limited", connections=connections))[0]

    name = f"fetch, {_LIMIT_MIB} MiB/s per connection, 4 connections"
    four = [ours(4).seconds]
    return [
        Comparison(name, four, [ours(1).seconds], "1 connection", bound=1 / 3),
        Comparison(name, four, [curl().seconds], "curl", bound=1 / 3),
    ]


def _seconds(series: list[Ran]) -> list[float]:
    return [ran.seconds for ran in series]


def _peak(series: list[Ran]) -> list[float]:
    return [ran.peak_mib for ran in series]
