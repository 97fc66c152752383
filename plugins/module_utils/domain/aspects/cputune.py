# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CPUs of the host the threads of a domain may use, and how the kernel schedules them."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator

from ...common.cpuset import CpuSet
from ...common.errors import BadRequestError
from ..document import Document, Known
from ..model import LiveCall, Wished
from ..options import cpuset_or_unpinned, number, refuse_twice
from ..places import DEFAULT, Count, Pin, Place, Scheduler

ALL = "all"
_SCHEDULER: dict[str, t.Any] = {
    "scheduler": {"type": "str", "required": True, "choices": [DEFAULT, "batch", "idle", "fifo", "rr"]},
    "priority": {"type": "int"},
}
_PRIORITY = [("scheduler", "fifo", ["priority"]), ("scheduler", "rr", ["priority"])]
_REALTIME = ("fifo", "rr")
# libvirt's own limits; those of shares depend on the host's cgroups (preflight).
_LIMITS = {
    "shares": (1, 2**18),
    **{
        f"{whose}{name}": limits
        for whose in ("", "emulator_", "iothread_", "global_")
        for name, limits in (("period", (1000, 10**6)), ("quota", (1000, 2**44 - 1)))
    },
}
_KERNELS_PERIOD = 100000
_UNLIMITED = -1


class Cputune:
    option = "cputune"
    spec: t.ClassVar[dict[str, t.Any]] = {
        "type": "dict",
        "options": {
            "vcpupin": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "vcpu": {"type": "str", "required": True},
                    "cpuset": {"type": "str", "required": True},
                },
            },
            "vcpupin_each": {"type": "list", "elements": "str"},
            "emulatorpin": {"type": "str"},
            "iothreadpin": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "iothread": {"type": "str", "required": True},
                    "cpuset": {"type": "str", "required": True},
                },
            },
            "vcpusched": {
                "type": "list",
                "elements": "dict",
                "options": {"vcpus": {"type": "str", "required": True}, **_SCHEDULER},
                "required_if": _PRIORITY,
            },
            "emulatorsched": {"type": "dict", "options": _SCHEDULER, "required_if": _PRIORITY},
            **{name: {"type": "str"} for name in _LIMITS},
        },
        "mutually_exclusive": [("vcpupin", "vcpupin_each")],
    }

    def places(self, document: Document) -> dict[str, Place]:
        allowed = document.attribute("cpuset", "vcpu")
        otherwise = None if allowed is None else CpuSet.parse(allowed, "cpuset")

        def pin(tag: str, call: str, key: str = "", index: int = 0) -> Pin:
            step = Known(tag, key, str(index)) if key else tag
            return Pin(("cputune", step), LiveCall(call, index), otherwise)

        return {
            **{
                f"cputune.vcpupin.{vcpu}": pin("vcpupin", "pin_vcpu", "vcpu", vcpu)
                for vcpu in range(vcpu_count(document))
            },
            "cputune.emulatorpin": pin("emulatorpin", "pin_emulator"),
            **{
                f"cputune.iothreadpin.{thread}": pin("iothreadpin", "pin_iothread", "iothread", thread)
                for thread in iothread_ids(document)
            },
            **{f"cputune.vcpusched.{vcpu}": Scheduler("vcpusched", vcpu) for vcpu in range(vcpu_count(document))},
            "cputune.emulatorsched": Scheduler("emulatorsched"),
            **{f"cputune.{name}": _limit(name) for name in _LIMITS},
        }

    def wished(self, options: dict[str, t.Any], document: Document, option: str) -> dict[str, Wished]:
        wished = dict(_vcpu_pins(options, document, option))
        if options.get("emulatorpin") is not None:
            value = cpuset_or_unpinned(options["emulatorpin"], f"{option}.emulatorpin")
            wished["cputune.emulatorpin"] = Wished(value)
        wished.update(_iothread_pins(options, document, f"{option}.iothreadpin"))
        wished.update(_schedulers(options, document, f"{option}.vcpusched"))
        if options.get("emulatorsched") is not None:
            wished["cputune.emulatorsched"] = _scheduler(options["emulatorsched"], f"{option}.emulatorsched")
        for name, (least, most) in _LIMITS.items():
            if options.get(name) is not None:
                wished[f"cputune.{name}"] = Wished(number(options[name], f"{option}.{name}", least, most, DEFAULT))
        return wished

    def absent(self, knob: str, document: Document) -> str:
        dummy, kind, index = knob.split(".")
        if kind in ("vcpupin", "vcpusched"):
            count = vcpu_count(document)
            return f"there is no vCPU {index}: the domain has {count}, of the numbers 0 to {count - 1}"
        threads = ", ".join(map(str, iothread_ids(document))) or "none"
        return f"there is no iothread {index}: the domain has {threads}"


def _limit(name: str) -> Count:
    if name == "shares":
        return Count(("cputune", name), LiveCall("set_shares"))
    return Count(("cputune", name), LiveCall(f"set_{name}"), _KERNELS_PERIOD if name.endswith("period") else _UNLIMITED)


def vcpu_count(document: Document) -> int:
    """The most vCPUs that the domain can have."""
    return document.number("vcpu") or 1


def iothread_ids(document: Document) -> list[int]:
    """The numbers of the iothreads: those that the definition gives, and as many from 1 on as it counts besides."""
    given_ids = [int(element.get("id") or 0) for element in document.all("iothreadids", "iothread")]
    count = document.number("iothreads") or 0
    free = (number for number in range(1, count + 1 + len(given_ids)) if number not in given_ids)
    return sorted([*given_ids, *(next(free) for dummy in range(count - len(given_ids)))])


def _vcpu_pins(options: dict[str, t.Any], document: Document, option: str) -> Iterator[tuple[str, Wished]]:
    if options.get("vcpupin_each") is not None:
        where = f"{option}.vcpupin_each"
        # A range stands for its CPUs one by one.
        each = [cpu for part in options["vcpupin_each"] for cpu in sorted(CpuSet.parse(part, where).cpus)]
        count = vcpu_count(document)
        if len(each) != count:
            raise BadRequestError(
                f"{where} names {len(each)} CPUs, and {document.name()} has {count} vCPUs",
                "Name one CPU for each vCPU, or use vcpupin",
            )
        refuse_twice(each, where, "CPU")
        for vcpu, cpu in enumerate(each):
            yield f"cputune.vcpupin.{vcpu}", Wished(CpuSet.of([cpu]))
    named: list[int | str] = []
    for at, entry in enumerate(options.get("vcpupin") or []):
        where = f"{option}.vcpupin[{at}]"
        value = cpuset_or_unpinned(entry["cpuset"], f"{where}.cpuset")
        vcpus = _numbers(entry["vcpu"], range(vcpu_count(document)), f"{where}.vcpu")
        named.extend(vcpus)
        for vcpu in vcpus:
            yield f"cputune.vcpupin.{vcpu}", Wished(value)
    refuse_twice(named, f"{option}.vcpupin", "vCPU")


def _iothread_pins(options: dict[str, t.Any], document: Document, option: str) -> Iterator[tuple[str, Wished]]:
    named: list[int | str] = []
    for at, entry in enumerate(options.get("iothreadpin") or []):
        where = f"{option}[{at}]"
        value = cpuset_or_unpinned(entry["cpuset"], f"{where}.cpuset")
        threads = _numbers(entry["iothread"], iothread_ids(document), f"{where}.iothread")
        named.extend(threads)
        for thread in threads:
            yield f"cputune.iothreadpin.{thread}", Wished(value)
    refuse_twice(named, option, "iothread")


def _schedulers(options: dict[str, t.Any], document: Document, option: str) -> Iterator[tuple[str, Wished]]:
    named: list[int | str] = []
    for at, entry in enumerate(options.get("vcpusched") or []):
        vcpus = _numbers(entry["vcpus"], range(vcpu_count(document)), f"{option}[{at}].vcpus")
        named.extend(vcpus)
        for vcpu in vcpus:
            yield f"cputune.vcpusched.{vcpu}", _scheduler(entry, f"{option}[{at}]")
    refuse_twice(named, option, "vCPU")


def _scheduler(entry: dict[str, t.Any], option: str) -> Wished:
    scheduler, priority = entry["scheduler"], entry.get("priority")
    if scheduler not in _REALTIME:
        if priority is not None:
            raise BadRequestError(f"{option} has a priority, and {scheduler} knows none", "Leave it out")
        return Wished(scheduler)
    if priority is None or not 1 <= priority <= 99:
        raise BadRequestError(f"{option}.priority is {priority}", "Give a number from 1 to 99")
    return Wished(f"{scheduler} {priority}")


def _numbers(text: str, everything: Iterable[int], option: str) -> list[int]:
    """The vCPUs or iothreads that are meant: numbers, or all that the domain has."""
    return sorted(everything if text.strip() == ALL else CpuSet.parse(text, option).cpus)
