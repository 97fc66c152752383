# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CPUs of the host the threads of a domain may use."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.cpuset import CpuSet
from ...common.errors import BadRequestError
from ..document import Document, Known
from ..model import LiveCall, Wished
from ..options import cpuset_or_unpinned, refuse_twice
from ..places import Pin, Place

ALL = "all"


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
            "vcpupin_each": {"type": "list", "elements": "int"},
            "emulatorpin": {"type": "str"},
            "iothreadpin": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "iothread": {"type": "str", "required": True},
                    "cpuset": {"type": "str", "required": True},
                },
            },
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
        }

    def wished(self, options: dict[str, t.Any], document: Document, option: str) -> dict[str, Wished]:
        wished = dict(_vcpu_pins(options, document, option))
        if options.get("emulatorpin") is not None:
            value = cpuset_or_unpinned(options["emulatorpin"], f"{option}.emulatorpin")
            wished["cputune.emulatorpin"] = Wished(value)
        wished.update(_iothread_pins(options, document, f"{option}.iothreadpin"))
        return wished

    def absent(self, knob: str, document: Document) -> str:
        dummy, kind, index = knob.split(".")
        if kind == "vcpupin":
            count = vcpu_count(document)
            return f"there is no vCPU {index}: the domain has {count}, of the numbers 0 to {count - 1}"
        threads = ", ".join(map(str, iothread_ids(document))) or "none"
        return f"there is no iothread {index}: the domain has {threads}"


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
    each = options.get("vcpupin_each")
    if each is not None:
        count = vcpu_count(document)
        if len(each) != count:
            raise BadRequestError(
                f"{option}.vcpupin_each names {len(each)} CPUs, and {document.name()} has {count} vCPUs",
                "Name one CPU for each vCPU, or use vcpupin",
            )
        refuse_twice(each, f"{option}.vcpupin_each", "CPU")
        for vcpu, cpu in enumerate(each):
            yield f"cputune.vcpupin.{vcpu}", Wished(CpuSet.parse(str(cpu), f"{option}.vcpupin_each"))
    named: list[int | str] = []
    for at, entry in enumerate(options.get("vcpupin") or []):
        where = f"{option}.vcpupin[{at}]"
        value = cpuset_or_unpinned(entry["cpuset"], f"{where}.cpuset")
        vcpus = (
            range(vcpu_count(document))
            if entry["vcpu"].strip() == ALL
            else sorted(CpuSet.parse(entry["vcpu"], f"{where}.vcpu").cpus)
        )
        named.extend(vcpus)
        for vcpu in vcpus:
            yield f"cputune.vcpupin.{vcpu}", Wished(value)
    refuse_twice(named, f"{option}.vcpupin", "vCPU")


def _iothread_pins(options: dict[str, t.Any], document: Document, option: str) -> Iterator[tuple[str, Wished]]:
    named: list[int | str] = []
    for at, entry in enumerate(options.get("iothreadpin") or []):
        where = f"{option}[{at}]"
        value = cpuset_or_unpinned(entry["cpuset"], f"{where}.cpuset")
        threads = (
            iothread_ids(document)
            if entry["iothread"].strip() == ALL
            else sorted(CpuSet.parse(entry["iothread"], f"{where}.iothread").cpus)
        )
        named.extend(threads)
        for thread in threads:
            yield f"cputune.iothreadpin.{thread}", Wished(value)
    refuse_twice(named, option, "iothread")
