# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which NUMA nodes of the host the memory comes from, and which nodes the guest itself sees."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ...common.cpuset import CpuSet
from ...common.errors import BadRequestError
from ..document import Document, Known, drop
from ..model import LiveCall, Value, Wished
from ..options import refuse_twice, size
from ..places import DEFAULT, NONE, Attribute, Place, Plain, in_bytes

_MEMORY = ("numatune", "memory")
_CELLS = ("cpu", "numa", "cell")
_KIB = 1024
STRICT = "strict"
RESTRICTIVE = "restrictive"


class Nodeset(Plain):
    """The nodes of the host, or ``default``: any."""

    live = LiveCall("set_nodeset")

    def read(self, document: Document) -> Value:
        text = document.attribute("nodeset", *_MEMORY)
        return DEFAULT if text is None else CpuSet.parse(text, "nodeset")

    def write(self, document: Document, value: Value) -> None:
        if value == DEFAULT:
            # Without nodes there is no mode either.
            document.remove(*_MEMORY)
            return
        memory = document.ensure(*_MEMORY)
        memory.attrib.pop("placement", None)
        memory.set("nodeset", str(value))

    def obstacle(self, value: Value, running: Document) -> str | None:
        if document_mode(running) != RESTRICTIVE or running.find(*_MEMORY) is None:
            return f"libvirt moves the memory of a running domain in the mode {RESTRICTIVE} only"
        return None if isinstance(value, CpuSet) else "libvirt has no call that lets a running domain use all nodes"


def document_mode(document: Document) -> str:
    return document.attribute("mode", *_MEMORY) or STRICT


@dataclass(frozen=True)
class Cell:
    """A NUMA node as the guest sees it."""

    vcpus: CpuSet
    memory: int
    """Bytes."""

    def __str__(self) -> str:
        return f"{self.vcpus}: {self.memory // _KIB} KiB"


class Cells(Plain):
    """All cells as one text, such as ``0-1: 1048576 KiB; 2-3: 1048576 KiB``."""

    def read(self, document: Document) -> Value:
        return "; ".join(map(str, cells_of(document))) or NONE

    def write(self, document: Document, value: Value) -> None:
        cells = [] if value == NONE else [text.partition(": ") for text in str(value).split("; ")]
        for element in list(document.all(*_CELLS))[len(cells) :]:
            drop(element)
        there = list(document.all(*_CELLS))
        for number, (vcpus, dummy, memory) in enumerate(cells):
            new = Known("cell", "id", str(number))
            element = there[number] if number < len(there) else document.ensure("cpu", "numa", new)
            element.set("cpus", vcpus)
            element.set("memory", memory.partition(" ")[0])
            element.set("unit", "KiB")


def cells_of(document: Document) -> list[Cell]:
    found = []
    for element in document.all(*_CELLS):
        memory = in_bytes(element.get("memory") or "", element.get("unit"))
        vcpus = CpuSet.parse_kernel(element.get("cpus") or "")
        found.append(Cell(vcpus, memory if isinstance(memory, int) else 0))
    return found


_PLACES: dict[str, Place] = {
    # First: the default of it would take the mode along, which would then not be refused.
    "numa.memory.nodeset": Nodeset(),
    "numa.memory.mode": Attribute(_MEMORY, "mode", STRICT),
    "numa.cells": Cells(),
}


class Numa:
    option = "numa"
    spec: t.ClassVar[dict[str, t.Any]] = {
        "type": "dict",
        "options": {
            "memory": {
                "type": "dict",
                "options": {
                    "mode": {"type": "str", "choices": [STRICT, "preferred", "interleave", RESTRICTIVE]},
                    "nodeset": {"type": "str"},
                },
            },
            "cells": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "cpus": {"type": "str", "required": True},
                    "memory": {"type": "str", "required": True},
                },
            },
        },
    }

    def places(self, document: Document) -> dict[str, Place]:
        return _PLACES

    def wished(self, options: dict[str, t.Any], document: Document, option: str) -> dict[str, Wished]:
        wished: dict[str, Wished] = {}
        memory = options.get("memory") or {}
        if memory.get("mode") is not None:
            wished["numa.memory.mode"] = Wished(memory["mode"])
        if memory.get("nodeset") is not None:
            text = memory["nodeset"].strip()
            value = DEFAULT if text == DEFAULT else CpuSet.parse(text, f"{option}.memory.nodeset")
            wished["numa.memory.nodeset"] = Wished(value)
        if options.get("cells") is not None:
            cells = [_cell(cell, f"{option}.cells[{at}]") for at, cell in enumerate(options["cells"])]
            refuse_twice((vcpu for cell in cells for vcpu in sorted(cell.vcpus.cpus)), f"{option}.cells", "vCPU")
            wished["numa.cells"] = Wished("; ".join(map(str, cells)) or NONE)
        return wished

    def absent(self, knob: str, document: Document) -> str:
        # Every domain has them all.
        raise KeyError(knob)


def _cell(entry: dict[str, t.Any], option: str) -> Cell:
    memory = int(str(size(entry["memory"], f"{option}.memory")))
    if memory % _KIB:
        raise BadRequestError(f"{option}.memory is {entry['memory']}", "Give a multiple of 1K")
    return Cell(CpuSet.parse(entry["cpus"], f"{option}.cpus"), memory)
