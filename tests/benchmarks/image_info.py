# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking into an image: packages against virt-inspector, and a record, which costs nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.accel import decide
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.environment import launch_environ
from tests.tools.site import Site
from tests.unit.local_host import LocalHost

from .measure import Comparison, Ran, alternate, run
from .modules import module

_PROGRAM = ["virt-inspector", "--no-icon", "--format=qcow2", "-a"]


def benchmarks(directory: Path, rounds: int) -> list[Comparison]:
    directory.mkdir(parents=True)
    image = Site.build().image()
    return [*_packages(image, directory, rounds), _record(image, directory, rounds)]


def _packages(image: Path, directory: Path, rounds: int) -> list[Comparison]:
    host = LocalHost(str(directory))
    environ = launch_environ(host, str(directory), decide(host, "auto"), network=False)
    counts: set[int] = set()

    def ours() -> Ran:
        ran, result = module("image_info", {"path": str(image), "gather": ["packages"], "workdir": str(directory)})
        counts.add(len(result["packages"]))
        return ran

    def virt_inspector() -> Ran:
        ran = run([*_PROGRAM, str(image)], environ=environ)
        counts.add(len(re.findall("<application>", ran.stdout)))
        return ran

    mine, theirs = alternate(rounds, ours, virt_inspector)
    if len(counts) != 1:
        raise SystemExit(f"image_info and virt-inspector disagree about the number of packages: {sorted(counts)}")
    (count,) = counts
    return [
        Comparison(
            f"image_info, {count} packages",
            [ran.seconds for ran in mine],
            [ran.seconds for ran in theirs],
            "virt-inspector",
            bound=0.25,
        )
    ]


def _record(image: Path, directory: Path, rounds: int) -> Comparison:
    copy = directory / "golden.qcow2"
    shutil.copyfile(image, copy)
    digest = {"digest": "sha256:00"}
    record = {"created": "", "base": digest, "recipe": {"steps": []}, "image": digest, "packages": {"added": {}}}
    copy.with_name(f"{copy.name}.json").write_text(json.dumps(record))
    gathered = {"path": str(copy), "gather": ["record", "format"]}
    seconds = [module("image_info", gathered)[0].seconds for dummy in range(rounds)]
    return Comparison("image_info, record and format, with the interpreter's start", seconds, bound=1.0)
