# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many iothreads a domain has: threads of QEMU that serve disks."""

from __future__ import annotations

import typing as t

from ...common.cpuset import CpuSet
from ...common.errors import BadRequestError
from ..document import Document, Known, drop
from ..model import LiveCall, Value, Wished
from ..places import Place, Plain
from .cputune import iothread_ids

if t.TYPE_CHECKING:
    from lxml.etree import _Element as Element

KNOB = "iothreads"
_MOST = 1024


class Iothreads:
    option = KNOB
    spec: t.ClassVar[dict[str, t.Any]] = {"type": "int"}

    def places(self, document: Document) -> dict[str, Place]:
        return {KNOB: Threads()}

    def wished(self, options: int, document: Document, option: str) -> dict[str, Wished]:
        if not 0 <= options <= _MOST:
            raise BadRequestError(f"{option} is {options}", f"Give a whole number from 0 to {_MOST}")
        return {KNOB: Wished(options)}

    def absent(self, knob: str, document: Document) -> str:
        # Every domain has it.
        raise KeyError(knob)


class Threads(Plain):
    """Their count. The lowest free numbers come, and the highest go, with what is said of them."""

    live = LiveCall("set_iothreads")

    def read(self, document: Document) -> Value:
        return len(iothread_ids(document))

    def write(self, document: Document, value: Value) -> None:
        count = int(str(value))
        for gone in iothread_ids(document)[count:]:
            document.remove("iothreadids", Known("iothread", "id", str(gone)))
            document.remove("cputune", Known("iothreadpin", "iothread", str(gone)))
            _forget_scheduler(document, gone)
        if count == 0:
            document.remove("iothreads")
        else:
            document.ensure("iothreads").text = str(count)

    def obstacle(self, value: Value, running: Document) -> str | None:
        gone = iothread_ids(running)[int(str(value)) :]
        used = users(running, gone)
        return f"the running domain's {used}, which would go" if used else None


def users(document: Document, threads: list[int]) -> str:
    """What uses one of these threads, in words; empty where nothing does."""
    for tag in ("disk", "controller"):
        for device in document.all("devices", tag):
            driver = device.find("driver")
            thread = "" if driver is None else driver.get("iothread", "")
            if thread.isdecimal() and int(thread) in threads:
                return f"{_named(device)} uses the iothread {thread}"
    return ""


def _named(device: Element) -> str:
    target = device.find("target")
    if device.tag == "disk" and target is not None:
        return f"disk {target.get('dev')}"
    return f"{device.get('type')} controller {device.get('index')}"


def _forget_scheduler(document: Document, thread: int) -> None:
    for element in list(document.all("cputune", "iothreadsched")):
        others = CpuSet.parse(element.get("iothreads") or "", "iothreads") - CpuSet.of([thread])
        if others:
            element.set("iothreads", str(others))
        else:
            drop(element)
