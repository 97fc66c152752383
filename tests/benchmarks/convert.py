# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converting: every format as a module against plain qemu-img convert, all in one call, and an unchanged run.

Ours count the digest of the whole file (holes of raw and vhd too), a look at the result and its way to the disk; the
peer does none of these.
"""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

from tests.tools.site import Site

from .measure import Comparison, Ran, alternate, run
from .modules import module

_PEER = "qemu-img convert"
_FORMATS: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "qcow2, zstd": ({"format": "qcow2"}, ["-O", "qcow2", "-c", "-o", "compression_type=zstd"]),
    "qcow2, zlib": ({"format": "qcow2", "compression": "zlib"}, ["-O", "qcow2", "-c"]),
    "qcow2, not compressed": ({"format": "qcow2", "compression": "none"}, ["-O", "qcow2"]),
    "raw": ({"format": "raw"}, ["-O", "raw"]),
    "vmdk, streamOptimized": ({"format": "vmdk"}, ["-O", "vmdk", "-o", "subformat=streamOptimized"]),
    "vmdk, monolithicSparse": ({"format": "vmdk", "subformat": "monolithicSparse"}, ["-O", "vmdk"]),
    "vhdx": ({"format": "vhdx"}, ["-O", "vhdx"]),
    "vhd": ({"format": "vhd"}, ["-O", "vpc", "-o", "subformat=fixed,force_size=on"]),
    # The peer writes the disk alone.
    "ova": ({"format": "ova"}, ["-O", "vmdk", "-o", "subformat=streamOptimized"]),
}


def benchmarks(directory: Path, rounds: int) -> list[Comparison]:
    directory.mkdir(parents=True)
    source = directory / "source.qcow2"
    shutil.copyfile(Site.build().image(), source)
    rows, peers = [], 0.0
    for name, (output, options) in _FORMATS.items():
        dest = directory / f"ours.{output['format']}"
        mine, theirs = alternate(
            rounds, _module(source, directory, [{**output, "dest": str(dest)}]), _qemu_img(source, directory, options)
        )
        rows.append(Comparison(f"convert to {name}", _seconds(mine), _seconds(theirs), _PEER))
        peers += min(_seconds(theirs))
    outputs = [
        {**output, "dest": str(directory / f"{number}.{output['format']}")}
        for number, (output, dummy) in enumerate(_FORMATS.values())
    ]
    (together,) = alternate(1, _module(source, directory, outputs))
    ran, result = module("image_convert", _arguments(source, directory, outputs))
    if result["changed"]:
        raise SystemExit("an unchanged conversion changed something")
    return [
        *rows,
        Comparison(
            f"convert to all {len(_FORMATS)} at once",
            _seconds(together),
            [peers],
            f"{_PEER}, one after another",
        ),
        Comparison(
            f"convert to all {len(_FORMATS)}, unchanged, with the interpreter's start", [ran.seconds], bound=1.0
        ),
    ]


def _arguments(source: Path, directory: Path, outputs: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    return {"src": str(source), "store": str(directory / "store"), "outputs": outputs}


def _module(source: Path, directory: Path, outputs: list[dict[str, t.Any]]) -> t.Callable[[], Ran]:
    def convert() -> Ran:
        for output in outputs:
            Path(output["dest"]).unlink(missing_ok=True)
        ran, result = module("image_convert", _arguments(source, directory, outputs))
        if not result["changed"]:
            raise SystemExit("a conversion changed nothing")
        return ran

    return convert


def _qemu_img(source: Path, directory: Path, options: list[str]) -> t.Callable[[], Ran]:
    peer = directory / "peer"

    def convert() -> Ran:
        peer.unlink(missing_ok=True)
        return run(["qemu-img", "convert", "-f", "qcow2", *options, str(source), str(peer)])

    return convert


def _seconds(series: list[Ran]) -> list[float]:
    return [ran.seconds for ran in series]
