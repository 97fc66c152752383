# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_fetch without Ansible around it, for the many cases; its options are the module's own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.fetch import fetch_argument_spec, fetch_image
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.mirror import Mirror, Product, write_mirror
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .plays import environment

IMAGES = "*.img"
OLDER, NEWER = "20260905", "20261010.1"
COLLECTIONS = Path(__file__).resolve().parents[2] / ".run" / "collections"


def sha256(path: str | Path) -> str:
    return f"sha256:{hashlib.sha256(Path(path).read_bytes()).hexdigest()}"


class Unattributed:
    """No owner, group or mode is asked for."""

    def unknown(self) -> list[str]:
        return []

    def apply(self, path: str, diff: dict[str, dict[str, t.Any]]) -> bool:
        return False


class Fetching:
    """Calls of image_fetch that have most options in common: ``fetch(serial="20260905", check_mode=True)``."""

    def __init__(self, host: LocalHost, store: Path, **options: t.Any) -> None:
        self.host = host
        self.store = store
        self.options = {"release": "noble", "arch": "amd64", "store": str(store), "timeout": 5, "retries": 1, **options}

    def __call__(self, *, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        given = {**self.options, **options}
        defaults = {name: option.get("default") for name, option in fetch_argument_spec().items()}
        self.host.http_options["timeout"] = given["timeout"]
        return fetch_image(self.host, {**defaults, **given}, check_mode, Unattributed())

    def start(self, **options: t.Any) -> subprocess.Popen[str]:
        """Run the module itself in a process of its own, which prints its result as JSON."""
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**self.options, **options}})
        process = subprocess.Popen(
            [sys.executable, "-m", "ansible_collections.goldsmith.kvm.plugins.modules.image_fetch"],
            env={**environment(), "PYTHONPATH": str(COLLECTIONS)},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(arguments)
        process.stdin.close()
        process.stdin = None
        return process

    @property
    def images(self) -> list[Path]:
        """What is visible in the store."""
        return sorted(path for path in self._in_images() if not path.name.startswith("."))

    @property
    def parts(self) -> list[Path]:
        """What is on its way into the store."""
        return sorted(path for path in self._in_images() if path.name.endswith(".part"))

    @property
    def leftovers(self) -> list[Path]:
        """Everything in the store's directory of images that is no image."""
        return sorted(path for path in self._in_images() if path.name.startswith("."))

    def _in_images(self) -> list[Path]:
        directory = self.store / "images"
        return [directory / name for name in os.listdir(directory)] if directory.is_dir() else []


def tree(root: Path, keys: Keys, image: Path, *serials: str, **wrong: t.Any) -> Mirror:
    """A mirror of noble's server image alone, which is there under two file types."""
    versions = {serial: {"disk1.img": image, "vmdk": image} for serial in serials or (NEWER,)}
    return write_mirror(root, [Product("noble", versions)], keys, **wrong)


@contextlib.contextmanager
def small_file_system(directory: Path, size: str) -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def part_size(fetch: Fetching) -> int:
    return sum(path.stat().st_size for path in fetch.parts if path.exists())
