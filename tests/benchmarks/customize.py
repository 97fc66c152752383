# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Customising: an unchanged run, steps against virt-customize by hand, compressing against qemu-img convert -c."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

from ansible_collections.goldsmith.kvm.plugins.module_utils.disk import qemu_img
from tests.tools.site import Site
from tests.unit.local_host import LocalHost

from . import launches
from .measure import Comparison, Ran, alternate, run
from .modules import module


def benchmarks(directory: Path, rounds: int) -> list[Comparison]:
    directory.mkdir(parents=True)
    base = Site.build().image()
    return [
        *_compressing(base, directory, rounds),
        *launches.benchmarks(base, directory / "launches", rounds),
        *_unchanged(base, directory, rounds),
    ]


def _compressing(base: Path, directory: Path, rounds: int) -> list[Comparison]:
    host = LocalHost(str(directory))
    source, ours, peer = directory / "source.qcow2", directory / "ours.qcow2", directory / "peer.qcow2"
    qemu_img.convert(host, str(base), str(source), compression="none")

    def convert() -> float:
        began = time.monotonic()
        qemu_img.convert(host, str(source), str(ours))
        return time.monotonic() - began

    def qemu_img_convert() -> float:
        return run(["qemu-img", "convert", "-O", "qcow2", "-c", str(source), str(peer)]).seconds

    mine, theirs = alternate(rounds, convert, qemu_img_convert)
    sizes = [[path.stat().st_size / 1024**2] for path in (ours, peer)]
    gib = source.stat().st_size / 1024**3
    return [
        Comparison(f"compressing {gib:.1f} GiB", mine, theirs, "qemu-img convert -c", bound=0.25),
        Comparison("size of the compressed image", *sizes, "qemu-img convert -c", unit="MiB", bound=1.0),
    ]


def _unchanged(base: Path, directory: Path, rounds: int) -> list[Comparison]:
    arguments: dict[str, t.Any] = {
        "base": {"path": str(base)},
        "dest_dir": str(directory / "golden"),
        "store": str(directory / "store"),
        "name": "bench",
        "accel": "auto",
        "steps": [{"hostname": {"name": "bench"}}],
    }
    (directory / "golden").mkdir()
    module("image_customize", arguments)
    inside: list[float] = []
    whole: list[Ran] = []
    for dummy in range(rounds):
        ran, result = module("image_customize", arguments)
        if result["changed"]:
            raise SystemExit("an unchanged customise changed something")
        inside.append(sum(result["stages"].values()))
        whole.append(ran)
    # Another recipe, of which it has to be found out how it differs.
    wanted = {**arguments, "steps": [_step(number) for number in range(30)], "_ansible_check_mode": True}
    planned: list[float] = []
    for dummy in range(rounds):
        ran, result = module("image_customize", wanted)
        if not result["changed"]:
            raise SystemExit("check mode does not tell of a new recipe")
        planned.append(ran.seconds)
    return [
        Comparison("customise, unchanged, inside the module", inside, bound=1.0),
        Comparison("customise, unchanged, with the interpreter's start", [ran.seconds for ran in whole], bound=1.0),
        Comparison("customise, check mode of 30 new steps, with the interpreter's start", planned, bound=2.0),
    ]


def _step(number: int) -> dict[str, t.Any]:
    return {"write": {"dest": f"/etc/bench-{number}", "content": "hello\n"}}
