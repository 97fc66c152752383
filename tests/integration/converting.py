# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_convert without Ansible around it, for the many cases; its options are the module's own."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.convert import convert_image
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.convert_request import convert_argument_spec
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .fetching import COLLECTIONS, Unattributed
from .plays import environment

Result = dict[str, t.Any]


class Converting:
    """Calls of image_convert for one source: ``convert({"dest": "web.vmdk", "format": "vmdk"}, compare=True)``."""

    def __init__(self, host: LocalHost, directory: Path, src: Path) -> None:
        self.host = host
        self.directory = directory / "export"
        self.src = src
        self.store = directory / "store"
        self.root = directory / "root"
        """Where libvirt's definitions are."""

    def __call__(self, *outputs: dict[str, t.Any], check_mode: bool = False, **options: t.Any) -> Result:
        defaults = {name: option.get("default") for name, option in convert_argument_spec().items()}
        given = self._options(outputs, **options)
        return convert_image(self.host, {**defaults, **given}, check_mode, Unattributed(), str(self.root))

    def start(self, *outputs: dict[str, t.Any], **options: t.Any) -> subprocess.Popen[str]:
        """Run the module itself in a process of its own, which prints its result as JSON."""
        # A module that is killed leaves its temporary directory.
        scratch = {"_ansible_remote_tmp": self.host.tmpdir}
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**self._options(outputs, **options), **scratch}})
        process = subprocess.Popen(
            [sys.executable, "-m", "ansible_collections.goldsmith.kvm.plugins.modules.image_convert"],
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

    def path(self, name: str) -> Path:
        return self.directory / name

    @property
    def there(self) -> list[str]:
        """Every name in the directory of the outputs, hidden ones too."""
        return sorted(path.name for path in self.directory.iterdir()) if self.directory.exists() else []

    @property
    def leftovers(self) -> list[str]:
        return [name for name in self.there if name.startswith(".")]

    def _options(self, outputs: tuple[dict[str, t.Any], ...], **options: t.Any) -> dict[str, t.Any]:
        found = [{**output, "dest": str(self.directory / output["dest"])} for output in outputs]
        return {"src": str(self.src), "store": str(self.store), "outputs": found, **options}


def qemu_img(*argv: str | Path) -> str:
    """What qemu-img prints."""
    return subprocess.run(["qemu-img", *argv], check=True, capture_output=True, text=True).stdout


def info(path: Path, image_format: str) -> dict[str, t.Any]:
    found: dict[str, t.Any] = json.loads(qemu_img("info", "--output=json", "-f", image_format, path))
    return found


def content(path: Path, image_format: str, directory: Path) -> bytes:
    """The disk in an image, as qemu-img reads it."""
    raw = directory / "read.raw"
    qemu_img("convert", "-f", image_format, "-O", "raw", path, raw)
    return raw.read_bytes()
