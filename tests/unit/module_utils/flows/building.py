# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building golden images without an appliance: all is real but the engine, which writes into the disk from outside."""

from __future__ import annotations

import os
import subprocess
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import StepError
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.host import Host
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.model import Build, Report
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.customize import customize_image
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.customize_request import customize_argument_spec
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Run, Upload, Write
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

Result = dict[str, t.Any]


class LeaveAlone:
    """Attributes of a user who asked for none."""

    def unknown(self) -> list[str]:
        return []

    def apply(self, path: str, diff: dict[str, dict[str, t.Any]]) -> bool:
        return False


@dataclass
class ScribblingEngine:
    """Carries out ``run_command`` by writing the command's bytes to the disk, and keeps what it was given."""

    name: str = "virt_customize"
    builds: list[Build] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    seconds: float = 0.0
    at_work: t.Callable[[], None] = lambda: None
    system: dict[str, str] = field(default_factory=lambda: {"ID": "debian", "VERSION_ID": "12"})
    reads: bool = True
    """Whether it keeps what is put in."""
    looked: int = 0
    """How often it was asked for the system."""

    def preflight(self, host: Host, build: Build) -> str:
        return "tcg"

    def os_release(self, host: Host, disk: str, workdir: str, accel: str) -> dict[str, str]:
        self.looked += 1
        host.run(["qemu-img", "check", "-q", disk]).checked()
        return self.system

    def apply(self, host: Host, build: Build) -> Report:
        self.builds.append(build)
        time.sleep(self.seconds)
        self.at_work()
        for step in build.steps:
            for operation in step.operations:
                if isinstance(operation, Run) and "fail" in operation.script:
                    error = StepError(f"step {step.label} failed: it was told to", "Tell it otherwise")
                    error.log = "what was printed\n"  # type: ignore[attr-defined]
                    raise error
                if isinstance(operation, Upload) and self.reads:
                    self.contents.append(Path(operation.source).read_text())
                if isinstance(operation, Write):
                    self.contents.append(operation.content)
                if isinstance(operation, Run) and step.step == "run_command":
                    pattern = sum(operation.script.encode()) % 256
                    host.run(["qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} 0 64k", build.disk]).checked()
        return Report(
            "tcg", versions={"scribbler": "1"}, packages_added={"hello": "2.10-3"}, os_release=self.system, log="done\n"
        )


class Workshop:
    """A base image, a store and a destination in a directory, and ``customize`` on them."""

    def __init__(self, directory: Path) -> None:
        self.base = directory / "base.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", self.base, "64M"], check=True)
        self.store = directory / "store"
        self.golden = directory / "golden"
        self.link = self.golden / "web.qcow2"
        self.host = LocalHost(str(directory))

    def params(self, command: str = "true", **changed: t.Any) -> dict[str, t.Any]:
        given = {
            "base": {"path": str(self.base), "serial": "20260905"},
            "dest_dir": str(self.golden),
            "name": "web",
            "steps": [{"run_command": {"command": command}}],
            "store": str(self.store),
            "audit": False,  # the disk is empty
            **changed,
        }
        return {name: given.get(name, spec.get("default")) for name, spec in customize_argument_spec().items()}

    def customize(self, command: str = "true", *, check_mode: bool = False, **changed: t.Any) -> Result:
        return customize_image(self.host, self.params(command, **changed), check_mode, LeaveAlone())

    def files(self) -> dict[str, tuple[int, int, int]]:
        """Everything in store and destination, with what tells that it was touched."""
        found = {}
        for top in (self.store, self.golden):
            for path in [top, *top.rglob("*")]:
                if os.path.lexists(path):
                    stat = path.lstat()
                    found[str(path)] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        return found

    def visible(self) -> list[str]:
        return sorted(path.name for path in self.golden.iterdir()) if self.golden.exists() else []
