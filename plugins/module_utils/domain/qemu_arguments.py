# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line of a domain's QEMU says of its disks, as libvirt writes it."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Options = dict[str, t.Any]


@dataclass(frozen=True)
class DiskArguments:
    """One disk of the guest."""

    cache: str
    """Named as in a definition."""
    io: str
    iothread: int | None
    queues: int | None
    path: str | None
    """The file or device that its data is in."""

    @property
    def direct(self) -> bool:
        return self.cache in ("none", "directsync")


def has_device(arguments: Sequence[str], driver: str) -> bool:
    """Whether QEMU has a device whose driver's name begins so."""
    return any(str(device.get("driver", "")).startswith(driver) for device in _options(arguments, "-device"))


def disks_of(arguments: Sequence[str]) -> dict[str, DiskArguments]:
    """The disks by the alias that libvirt gave to their device."""
    nodes = {str(node.get("node-name")): node for node in _options(arguments, "-blockdev")}
    found = {}
    for device in _options(arguments, "-device"):
        node = nodes.get(str(device.get("drive")))
        if node is not None and "id" in device:
            found[str(device["id"])] = _disk(device, node, nodes)
    return found


def _disk(device: Options, node: Options, nodes: dict[str, Options]) -> DiskArguments:
    storage = node
    # The format stands on the storage, with perhaps a throttle or a slice between them.
    while isinstance(storage.get("file"), str) and storage["file"] in nodes:
        storage = nodes[storage["file"]]
    cache: Options = node.get("cache") or storage.get("cache") or {}
    written_back = _on(device.get("write-cache", "on"))
    if _on(cache.get("direct", False)):
        mode = "none" if written_back else "directsync"
    elif _on(cache.get("no-flush", False)):
        mode = "unsafe"
    else:
        mode = "writeback" if written_back else "writethrough"
    thread = str(device.get("iothread", "")).replace("iothread", "", 1)
    queues = device.get("num-queues")
    return DiskArguments(
        mode,
        str(storage.get("aio", "threads")),
        int(thread) if thread.isdecimal() else None,
        None if queues is None else int(queues),
        storage.get("filename"),
    )


def _options(arguments: Sequence[str], name: str) -> Iterator[Options]:
    """The values of an option that may be given several times: JSON, or ``driver,key=value,…``."""
    for before, value in zip(arguments, arguments[1:]):
        if before == name:
            yield _json(value) if value.startswith("{") else _keys(value)


def _json(text: str) -> Options:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _keys(text: str) -> Options:
    first, *others = text.split(",")
    pairs = (other.partition("=") for other in others)
    return {"driver": first.partition("=")[2] or first, **{name: value for name, dummy, value in pairs}}


def _on(value: t.Any) -> bool:
    return value in (True, "on", "yes", "true")
