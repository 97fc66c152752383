# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Golden images that were published without a build, domains that use them, and image_store that prunes them."""

from __future__ import annotations

import os
import subprocess
import typing as t
from datetime import timedelta
from pathlib import Path

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.age import format_time, now
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.store import manage_store, store_argument_spec
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.failed import keep_failed
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.golden import Golden
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.golden_prune import FAILED
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .fetching import Unattributed, sha256

DOMAIN = """\
<domain type='kvm'><name>{name}</name><devices>
  <disk type='{type}' device='disk'><driver name='qemu' type='{format}'/><source {source}/></disk>
</devices></domain>
"""


class Foundry:
    """A store, a directory of golden images, and the root of a file system with definitions of domains."""

    def __init__(self, host: LocalHost, directory: Path) -> None:
        self.host = host
        self.directory = directory
        self.golden = directory / "golden"
        self.root = directory / "root"
        self.layout = Layout(str(directory / "store"))
        self.layout.ensure()

    def publish(
        self,
        serial: str,
        name: str = "web",
        *,
        days: float = 0,
        directory: Path | None = None,
        layout: Layout | None = None,
        base_digest: str = "sha256:base",
        beside: tuple[str, ...] = (),
    ) -> Path:
        """Publish an image that was built so many days ago, with further files beside it."""
        golden = Golden(str(directory or self.golden), name)
        golden_dir = Path(golden.directory)
        golden_dir.mkdir(parents=True, exist_ok=True)
        temporary = golden_dir / f".{name}.tmp"
        _create(temporary)
        path = Path(golden.path(serial, sha256(temporary)))
        record = self.record(path, name, temporary, days=days, base_digest=base_digest)
        golden.publish(layout or self.layout, str(temporary), str(path), record, "a log\n", Unattributed())
        for ending in beside:
            self.beside(path, ending)
        return path

    def fail(self, serial: str, name: str = "web", *, days: float = 0, why: str = FAILED) -> Path:
        """Keep an image that did not pass its checks, or could not be checked, as a build does."""
        golden = Golden(str(self.golden), name)
        self.golden.mkdir(exist_ok=True)
        temporary = self.golden / f".{name}.tmp"
        _create(temporary)
        path = golden.path(serial, sha256(temporary))
        record = self.record(Path(path), name, temporary, days=days)
        found = {"console.log": "panic\n"}
        return Path(keep_failed(golden, str(temporary), path, record, "a log\n", found, _by_nobody, why))

    def record(self, path: Path, name: str, image: Path, *, days: float, base_digest: str = "") -> dict[str, t.Any]:
        digest = sha256(image)
        return {
            "schema": 1,
            "name": name,
            "fingerprint": digest,
            "created": format_time(now() - timedelta(days=days)),
            "base": {"digest": base_digest},
            "recipe": {"steps": []},
            "steps": [],
            "packages": {"added": {}},
            "image": {"file": path.name, "digest": digest, "size": image.stat().st_size},
        }

    def beside(self, image: Path, ending: str) -> Path:
        path = Path(f"{str(image)[: -len('.qcow2')]}.{ending}")
        path.write_text("made of it\n")
        return path

    def files(self, image: Path) -> list[str]:
        """The names of what is there of an image, with all beside it."""
        return sorted(path.name for path in image.parent.glob(f"{image.name[: -len('.qcow2')]}.*"))

    def prune(self, *, check_mode: bool = False, age: str | None = None, **golden: t.Any) -> dict[str, t.Any]:
        wish = {**dict.fromkeys(("dest_dir", "name", "image")), "keep": 1, **golden}
        return self.manage(check_mode=check_mode, age=age, state="pruned", golden=wish)

    def manage(self, *, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        defaults = {name: option.get("default") for name, option in store_argument_spec().items()}
        given = {**defaults, "store": self.layout.root, **options}
        return manage_store(self.host, given, check_mode, root=str(self.root))

    def overlay(self, base: Path, name: str = "disk.qcow2", backing_format: str = "qcow2") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", backing_format, "-b", base, path], check=True)
        return path

    def define(self, source: str, image_format: str = "qcow2", *, kind: str = "file", where: str = "etc") -> None:
        """Define the domain db-1 with this source of its disk."""
        path = self.root / where / "libvirt/qemu" / "db-1.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(DOMAIN.format(name="db-1", type=kind, format=image_format, source=source))


def removed(result: dict[str, t.Any]) -> list[Path]:
    return [Path(image["path"]) for image in result["removed_golden"]]


def reasons(result: dict[str, t.Any]) -> dict[Path, list[str]]:
    """Why images stay, by path."""
    return {Path(image["path"]): image["reasons"] for image in result["kept_golden"]}


def _create(path: Path) -> None:
    """A small qcow2, each with other bytes."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True)
    writes = [
        argument for at, byte in enumerate(os.urandom(8)) for argument in ("-c", f"write -P {byte} {at * 64}k 64k")
    ]
    subprocess.run(["qemu-io", "-f", "qcow2", *writes, path], check=True, stdout=subprocess.DEVNULL)


def _by_nobody(_path: str) -> bool:
    return False
