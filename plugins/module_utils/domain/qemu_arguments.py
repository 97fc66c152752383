# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of a domain's QEMU, as libvirt writes it: options as dictionaries, in whichever way they stand."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HIDDEN = "…"
_OPEN: t.Final = frozenset(
    f"-{name}"
    for name in (
        *("name", "uuid", "machine", "accel", "cpu", "smp", "m", "mem-prealloc", "mem-path", "object", "numa", "rtc"),
        *("overcommit", "global", "boot", "device", "blockdev", "netdev", "chardev", "mon", "sandbox", "msg"),
        *("display", "audiodev"),
    )
)
"""Their values are of libvirt's making. Others (smbios, fw_cfg, append, and what people pass on) may hold secrets."""
_SECRET_DATA = re.compile(r'("?(?:data|password|url|key-secret)"?[:=])[^,}]*')

Options = dict[str, t.Any]


@dataclass(frozen=True)
class DiskArguments:
    """One disk of the guest."""

    cache: str
    """Named as in a definition."""
    io: str
    discard: str
    detect_zeroes: str
    error_policy: str | None
    iothread: int | None
    queues: int | None
    path: str | None
    """The file or device that its data is in."""
    node: str
    """QEMU's name for what the disk stands on."""

    @property
    def direct(self) -> bool:
        return self.cache in ("none", "directsync")


@dataclass(frozen=True)
class InterfaceArguments:
    """One virtio interface of the guest."""

    vhost: bool | None
    """Whether the kernel serves it; None where another process does."""
    queues: int


def options(arguments: Sequence[str], name: str) -> Iterator[Options]:
    """The values of an option that may be given several times: JSON, or ``driver,key=value,…``."""
    for before, value in zip(arguments, arguments[1:]):
        if before == name:
            yield _json(value) if value.startswith("{") else _keys(value)


def device(arguments: Sequence[str], driver: str) -> Options | None:
    """The first device whose driver's name begins so."""
    found = (each for each in options(arguments, "-device") if str(each.get("driver", "")).startswith(driver))
    return next(found, None)


def without_secrets(arguments: Sequence[str]) -> Iterator[str]:
    """The command line, with ``…`` for the values of all options but those that libvirt fills without secrets."""
    hidden = False
    for argument in arguments:
        if argument.startswith("-"):
            hidden = argument not in _OPEN
            yield argument
        elif hidden:
            yield HIDDEN
        else:
            yield _SECRET_DATA.sub(rf"\1{HIDDEN}", argument)


def is_on(value: t.Any) -> bool:
    return value in (True, "on", "yes", "true")


def guest_memory(arguments: Sequence[str]) -> list[Options]:
    """The objects that are the guest's memory from the beginning, not what was plugged in besides."""
    named = {str(machine.get("memory-backend")) for machine in options(arguments, "-machine")}
    named |= {str(node.get("memdev")) for node in options(arguments, "-numa")}
    return [each for each in options(arguments, "-object") if str(each.get("id")) in named]


def disks_of(arguments: Sequence[str]) -> dict[str, DiskArguments]:
    """The disks by the alias that libvirt gave to their device."""
    nodes = {str(node.get("node-name")): node for node in options(arguments, "-blockdev")}
    found = {}
    for each in options(arguments, "-device"):
        node = nodes.get(str(each.get("drive")))
        if node is not None and "id" in each:
            found[str(each["id"])] = _disk(each, node, nodes)
    return found


def interfaces_of(arguments: Sequence[str]) -> dict[str, InterfaceArguments]:
    """The virtio interfaces by their MAC addresses."""
    backends = {str(each.get("id")): each for each in options(arguments, "-netdev")}
    found = {}
    for each in options(arguments, "-device"):
        backend = backends.get(str(each.get("netdev")))
        if backend is not None and str(each.get("driver", "")).startswith("virtio-net") and "mac" in each:
            elsewhere = str(backend.get("type", backend.get("driver", ""))).startswith("vhost")
            queues = int(backend.get("queues", len(str(backend.get("fds", "")).split(":"))))
            vhost = None if elsewhere else is_on(backend.get("vhost", False))
            found[str(each["mac"])] = InterfaceArguments(vhost, queues if is_on(each.get("mq", False)) else 1)
    return found


def _disk(each: Options, node: Options, nodes: dict[str, Options]) -> DiskArguments:
    storage = node
    # The format stands on the storage, with perhaps a throttle or a slice between them.
    while isinstance(storage.get("file"), str) and storage["file"] in nodes:
        storage = nodes[storage["file"]]
    cache: Options = node.get("cache") or storage.get("cache") or {}
    written_back = is_on(each.get("write-cache", "on"))
    if is_on(cache.get("direct", False)):
        mode = "none" if written_back else "directsync"
    elif is_on(cache.get("no-flush", False)):
        mode = "unsafe"
    else:
        mode = "writeback" if written_back else "writethrough"
    thread = str(each.get("iothread", "")).replace("iothread", "", 1)
    queues = each.get("num-queues")
    policy = each.get("werror")
    return DiskArguments(
        mode,
        str(storage.get("aio", "threads")),
        str(node.get("discard", "ignore")),
        str(node.get("detect-zeroes", "off")),
        "enospace" if policy == "enospc" else policy,
        int(thread) if thread.isdecimal() else None,
        None if queues is None else int(queues),
        storage.get("filename"),
        str(each.get("drive")),
    )


def _json(text: str) -> Options:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _keys(text: str) -> Options:
    first, *others = text.split(",")
    found: Options = {"driver": first.partition("=")[2] or first}
    for other in others:
        name, equals, value = other.partition("=")
        if not equals:
            # Features of CPUs may have a sign in front.
            name, value = name.lstrip("+-"), "off" if name.startswith("-") else "on"
        # Guest nodes may have several ranges of CPUs.
        found[name] = f"{found[name]},{value}" if name == "cpus" and name in found else value
    return found
