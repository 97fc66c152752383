# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the host provides a domain's memory, and how much of it the domain may lock."""

from __future__ import annotations

import typing as t

from ...common.size import format_size
from ..document import Document
from ..model import LiveCall, Value, Wished
from ..options import given, size
from ..places import DEFAULT, NONE, Attribute, Flag, Place, Plain, Size, in_bytes

AUTO = "auto"
_MIB = 1024**2
FOR_QEMU_ITSELF = 1024 * _MIB
"""On the generous side."""
_PER_THREAD = 16 * _MIB
_PER_DEVICE = 16 * _MIB
_DEVICES = ("disk", "interface", "hostdev", "filesystem")
_DEFAULT_VIDEO = 16 * _MIB


class MemoryBacking:
    option = "memory_backing"
    spec: t.ClassVar[dict[str, t.Any]] = {
        "type": "dict",
        "options": {
            "locked": {"type": "bool"},
            "hard_limit": {"type": "str"},
            "hugepages": {"type": "dict", "options": {"size": {"type": "str", "required": True}}},
            "source": {"type": "str", "choices": [DEFAULT, "anonymous", "file", "memfd"]},
            "access": {"type": "str", "choices": [DEFAULT, "shared", "private"]},
            "allocation": {"type": "str", "choices": [DEFAULT, "immediate", "ondemand"]},
            "nosharepages": {"type": "bool"},
            "discard": {"type": "bool"},
        },
    }

    def places(self, document: Document) -> dict[str, Place]:
        return _PLACES

    def wished(self, options: dict[str, t.Any], document: Document, option: str) -> dict[str, Wished]:
        wished: dict[str, Wished] = {}
        for name, value in given(options).items():
            if name == "hugepages":
                found = Wished(size(value["size"], f"{option}.hugepages.size", NONE, DEFAULT))
            elif name == "hard_limit":
                found = _hard_limit(value, document, f"{option}.hard_limit")
            else:
                found = Wished(value)
            wished[f"memory_backing.{name}"] = found
        return wished

    def absent(self, knob: str, document: Document) -> str:
        # Every domain has them all.
        raise KeyError(knob)


class Hugepages(Plain):
    """Pages of one size for all of the memory; or none, or of the host's default size."""

    steps = ("memoryBacking", "hugepages")

    def read(self, document: Document) -> Value:
        if document.find(*self.steps) is None:
            return NONE
        pages = list(document.all(*self.steps, "page"))
        if not pages:
            return DEFAULT
        sizes = [in_bytes(page.get("size") or "", page.get("unit")) for page in pages]
        nodes = [page.get("nodeset") for page in pages]
        if len(pages) == 1 and nodes[0] is None:
            return sizes[0]
        # Another for some guest nodes: a text that no wish is equal to.
        return ", ".join(f"{size} for {node or 'all'}" for size, node in zip(sizes, nodes))

    def write(self, document: Document, value: Value) -> None:
        document.remove(*self.steps)
        if value == NONE:
            return
        document.ensure(*self.steps)
        if value != DEFAULT:
            page = document.ensure(*self.steps, "page")
            page.set("size", str(int(str(value)) // 1024))
            page.set("unit", "KiB")


_PLACES: dict[str, Place] = {
    "memory_backing.locked": Flag(("memoryBacking", "locked")),
    "memory_backing.hard_limit": Size(("memtune", "hard_limit"), NONE, LiveCall("set_hard_limit")),
    "memory_backing.hugepages": Hugepages(),
    "memory_backing.source": Attribute(("memoryBacking", "source"), "type"),
    "memory_backing.access": Attribute(("memoryBacking", "access"), "mode"),
    "memory_backing.allocation": Attribute(("memoryBacking", "allocation"), "mode"),
    "memory_backing.nosharepages": Flag(("memoryBacking", "nosharepages")),
    "memory_backing.discard": Flag(("memoryBacking", "discard")),
}


def memory_of(document: Document) -> int:
    """Bytes of memory that the guest is started with."""
    return _bytes(document, "memory")


def _bytes(document: Document, name: str) -> int:
    element = document.find(name)
    value = None if element is None else in_bytes(element.text or "", element.get("unit"))
    return value if isinstance(value, int) else 0


def _hard_limit(text: str, document: Document, option: str) -> Wished:
    if text == AUTO:
        return automatic_limit(document)
    return Wished(size(text, option, NONE))


def automatic_limit(document: Document) -> Wished:
    """Room for the guest and for what QEMU needs besides, on the generous side: less ends in an OOM kill.

    The 1 GiB is what libvirt itself grants over the memory to a guest with VFIO devices.
    """
    # More of it may be plugged in while the guest runs.
    memory = max(memory_of(document), _bytes(document, "maxMemory"))
    video = sum(_video(model.get("vram"), model.get("ram")) for model in document.all("devices", "video", "model"))
    vcpus = document.number("vcpu") or 1
    threads = vcpus + (document.number("iothreads") or 0)
    devices = sum(1 for tag in _DEVICES for dummy in document.all("devices", tag))
    tables = memory // 64
    total = memory + video + FOR_QEMU_ITSELF + threads * _PER_THREAD + devices * _PER_DEVICE + tables
    total = -(-total // _MIB) * _MIB
    return Wished(
        total,
        f"auto: {format_size(memory)} of memory, {format_size(video)} of video memory, {format_size(tables)} for page "
        f"tables, {format_size(_PER_THREAD)} for each of {threads} vCPUs and iothreads, {format_size(_PER_DEVICE)} for "
        f"each of {devices} devices, and {format_size(FOR_QEMU_ITSELF)} for QEMU itself",
    )


def _video(*kib: str | None) -> int:
    found = [int(text) * 1024 for text in kib if text is not None and text.isdecimal()]
    return sum(found) if found else _DEFAULT_VIDEO
