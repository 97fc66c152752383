# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What customising does to an image: its size, and the seconds in which it boots, against its base's."""

from __future__ import annotations

import typing as t
from pathlib import Path

from tests.tools.site import Site

from .measure import Comparison, alternate
from .modules import module

_STEPS: list[dict[str, t.Any]] = [
    {"disable_unattended_upgrades": {}},
    {"user": {"name": "ops", "sudo": "nopasswd"}},
    {"timezone": {"name": "Europe/Oslo"}},
    {"write": {"dest": "/etc/motd", "content": "A golden image.\n"}},
    {"generalise": {}},
]


def benchmarks(directory: Path, rounds: int) -> list[Comparison]:
    (directory / "golden").mkdir(parents=True)
    base = Site.build().image()
    made = {"base": {"path": str(base)}, "dest_dir": str(directory / "golden"), "name": "bench", "steps": _STEPS}
    dummy, result = module("image_customize", {**made, "store": str(directory / "store")})
    golden = Path(result["image"]["path"])

    checks: list[float] = []

    def boot(image: Path) -> float:
        ran, booted = module("image_boot", {"image": str(image), "store": str(directory / "store")})
        checks.append(ran.seconds)
        return float(booted["boot"]["seconds"]["total"])

    after, before = alternate(rounds, lambda: boot(golden), lambda: boot(base))
    sizes = [[path.stat().st_size / 1024**2] for path in (golden, base)]
    return [
        Comparison("boot of a golden image", after, before, "its base"),
        Comparison("one boot check in all, with the interpreter's start", checks, bound=120),
        Comparison("size of a golden image", *sizes, "its base", unit="MiB"),
    ]
