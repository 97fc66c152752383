# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the value of a knob stands in a domain's XML, how it is written there, and what changes it live."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..common.cpuset import CpuSet
from .document import Document, Known, Step, drop
from .model import LiveCall, Value

if t.TYPE_CHECKING:
    from lxml.etree import _Element as Element

UNPINNED = "unpinned"
DEFAULT = "default"
NONE = "none"

_UNITS = {"b": 1, "bytes": 1}
for _exponent, _letter in enumerate("kMGTPE", start=1):
    _UNITS[_letter] = _UNITS[f"{_letter}iB"] = 1024**_exponent
    _UNITS[f"{_letter}B"] = 1000**_exponent
_UNITS["K"] = _UNITS["KiB"] = 1024
_UNITS["KB"] = 1000


class Place(t.Protocol):
    """One knob of one domain."""

    @property
    def live(self) -> LiveCall | None:
        """What changes it while the domain runs; None where libvirt can do so with its next start only."""

    def read(self, document: Document) -> Value:
        """What the definition says; libvirt's default by its word, where it says nothing."""

    def write(self, document: Document, value: Value) -> None:
        """Let the definition say ``value``, and nothing where that is libvirt's default."""

    def effective(self, value: Value, online: CpuSet) -> Value:
        """What ``value`` comes down to in a domain that runs on a host with these CPUs."""

    def agrees(self, value: Value, running: Value, online: CpuSet) -> bool:
        """Whether a domain that runs with ``running`` would be the same with ``value``, as far as can be told."""

    def obstacle(self, value: Value, running: Document) -> str | None:
        """Why this domain cannot get ``value`` while it runs, although ``live`` names a call; None where it can."""


class Plain:
    """What means in a running domain what it says."""

    live: LiveCall | None = None

    def effective(self, value: Value, online: CpuSet) -> Value:
        return value

    def agrees(self, value: Value, running: Value, online: CpuSet) -> bool:
        return self.effective(value, online) == self.effective(running, online)

    def obstacle(self, value: Value, running: Document) -> str | None:
        return None


@dataclass(frozen=True)
class Attribute(Plain):
    """An attribute whose values are words. Without its last attribute the element goes as well."""

    steps: tuple[Step, ...]
    name: str
    default: str = DEFAULT
    live: LiveCall | None = None

    def read(self, document: Document) -> Value:
        text = document.attribute(self.name, *self.steps)
        return self.default if text is None else text

    def write(self, document: Document, value: Value) -> None:
        if value == self.default:
            _drop_attribute(document, self.steps, self.name)
        else:
            document.ensure(*self.steps).set(self.name, str(value))


@dataclass(frozen=True)
class Number(Plain):
    """An attribute whose values are whole numbers."""

    steps: tuple[Step, ...]
    name: str
    default: str = DEFAULT
    live: LiveCall | None = None

    def read(self, document: Document) -> Value:
        text = document.attribute(self.name, *self.steps)
        if text is None or not text.isdecimal():
            return self.default if text is None else text
        return int(text)

    def write(self, document: Document, value: Value) -> None:
        if value == self.default:
            _drop_attribute(document, self.steps, self.name)
        else:
            document.ensure(*self.steps).set(self.name, str(value))


@dataclass(frozen=True)
class Flag(Plain):
    """An element that is there, or not."""

    steps: tuple[Step, ...]

    def read(self, document: Document) -> Value:
        return document.find(*self.steps) is not None

    def write(self, document: Document, value: Value) -> None:
        if value:
            document.ensure(*self.steps)
        else:
            document.remove(*self.steps)


@dataclass(frozen=True)
class Size(Plain):
    """An element whose text is a size, with an attribute for its unit. Values are bytes."""

    steps: tuple[Step, ...]
    default: str = NONE
    live: LiveCall | None = None

    def read(self, document: Document) -> Value:
        element = document.find(*self.steps)
        if element is None:
            return self.default
        return in_bytes(element.text or "", element.get("unit"))

    def write(self, document: Document, value: Value) -> None:
        if value == self.default:
            document.remove(*self.steps)
            return
        element = document.ensure(*self.steps)
        element.set("unit", "KiB")
        element.text = str(-(-int(str(value)) // 1024))


@dataclass(frozen=True)
class Count(Plain):
    """An element whose text is a whole number."""

    steps: tuple[Step, ...]
    live: LiveCall | None = None
    otherwise: int | None = None
    """What a domain runs with that says nothing; None where that is not the same on each host."""
    default: str = DEFAULT

    def read(self, document: Document) -> Value:
        element = document.find(*self.steps)
        text = "" if element is None else (element.text or "").strip()
        # A negative quota is none at all.
        return int(text) if text.isdecimal() else self.default

    def write(self, document: Document, value: Value) -> None:
        if value == self.default:
            document.remove(*self.steps)
        else:
            document.ensure(*self.steps).text = str(value)

    def effective(self, value: Value, online: CpuSet) -> Value:
        return self.otherwise if value == self.default and self.otherwise is not None else value

    def obstacle(self, value: Value, running: Document) -> str | None:
        if value != self.default or self.otherwise is not None:
            return None
        return f"libvirt has no call for the default of {self.steps[-1]}, which is not the same on each host"


@dataclass(frozen=True)
class Pin(Plain):
    """The CPUs that threads may use: the attribute ``cpuset`` of an element of its own."""

    steps: tuple[Step, ...]
    live: LiveCall | None = None
    otherwise: CpuSet | None = None
    """Where the threads run without a pin, when that is not everywhere: ``<vcpu cpuset='…'>``."""

    def read(self, document: Document) -> Value:
        text = document.attribute("cpuset", *self.steps)
        return UNPINNED if text is None else CpuSet.parse(text, "cpuset")

    def write(self, document: Document, value: Value) -> None:
        if value == UNPINNED:
            document.remove(*self.steps)
        else:
            document.ensure(*self.steps).set("cpuset", str(value))

    def effective(self, value: Value, online: CpuSet) -> Value:
        """No call of libvirt takes a pin away from a running domain: its threads are pinned to all they may use."""
        return (self.otherwise or online) if value == UNPINNED else value


@dataclass(frozen=True)
class Scheduler(Plain):
    """How the kernel schedules a thread: ``default``, ``batch``, ``idle``, or with a priority, ``fifo 1``.

    Of vCPUs one element may be for several, in the attribute ``vcpus``; libvirt writes one for each.
    """

    tag: str
    vcpu: int | None = None

    def read(self, document: Document) -> Value:
        element = self._element(document)
        if element is None:
            return DEFAULT
        return " ".join(filter(None, (element.get("scheduler"), element.get("priority"))))

    def write(self, document: Document, value: Value) -> None:
        element = self._element(document)
        if element is not None:
            others = CpuSet.of([]) if self.vcpu is None else self._vcpus(element) - CpuSet.of([self.vcpu])
            if others:
                element.set("vcpus", str(others))
            else:
                drop(element)
        if value == DEFAULT:
            return
        step: Step = self.tag if self.vcpu is None else Known(self.tag, "vcpus", str(self.vcpu))
        element = document.ensure("cputune", step)
        scheduler, dummy, priority = str(value).partition(" ")
        element.set("scheduler", scheduler)
        if priority:
            element.set("priority", priority)

    def _element(self, document: Document) -> Element | None:
        found = document.all("cputune", self.tag)
        return next((each for each in found if self.vcpu is None or self.vcpu in self._vcpus(each).cpus), None)

    def _vcpus(self, element: Element) -> CpuSet:
        return CpuSet.parse(element.get("vcpus") or "", "vcpus")


def in_bytes(number: str, unit: str | None) -> Value:
    """A size of libvirt in bytes; KiB where the unit is not given. What is no size stays the text that it is."""
    digits = number.strip()
    factor = _UNITS.get(unit or "KiB")
    return int(digits) * factor if digits.isdecimal() and factor is not None else f"{digits} {unit or ''}".strip()


def _drop_attribute(document: Document, steps: tuple[Step, ...], name: str) -> None:
    element = document.find(*steps)
    if element is None or name not in element.attrib:
        return
    del element.attrib[name]
    last = steps[-1]
    own = {last.key} if isinstance(last, Known) and not last.inside else set()
    if own.issuperset(map(str, element.attrib)) and len(element) == 0:
        drop(element)
