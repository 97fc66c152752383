# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a domain's wishes, definitions and the kernel disagree, each with a name and its reason."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..common.cpuset import CpuSet
from ..host.model import HostFacts
from . import registry
from .kernel import CGROUPS, KernelView, agrees
from .model import Found, Value, Wished, shown, worded
from .places import Pin, Place
from .preflight import preflight

UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Drift:
    name: str
    reason: str

    def result(self) -> dict[str, str]:
        return {"name": self.name, "reason": self.reason}


@dataclass(frozen=True)
class Row:
    """One knob, seen from all sides."""

    knob: str
    wished: Value | None
    persistent: Value | None
    live: Value | None
    kernel: Value | None
    kernel_reason: str | None
    drift: tuple[Drift, ...]

    def result(self) -> dict[str, t.Any]:
        return {
            "knob": self.knob,
            "wished": shown(self.wished),
            "persistent": shown(self.persistent),
            "live": shown(self.live),
            "kernel": UNAVAILABLE if self.kernel_reason is not None else shown(self.kernel),
            "kernel_reason": self.kernel_reason,
            "drift": [drift.result() for drift in self.drift],
        }


def audit(
    found: Found,
    wished: Mapping[str, Wished],
    kernel: KernelView,
    host: HostFacts,
    left: Mapping[str, tuple[Value, str]] | None = None,
) -> list[Row]:
    """Every knob that the domain has, or that is wished of it.

    :arg left: what this collection has left knobs of the definition at, and when.
    """
    named = {*wished, *(left or {}), *registry.places(found.document)}
    persistent = {} if found.persistent is None else registry.read(found.persistent, named)
    live = {} if found.live is None else registry.read(found.live, named)
    places = registry.places(found.document, named)
    if found.live is not None:
        places.update(registry.places(found.live, named))
    in_itself = _in_itself(found, host)
    rows = []
    for knob in dict.fromkeys([*persistent, *live, *wished]):
        wish = wished.get(knob)
        sides = _Sides(
            knob,
            None if wish is None else wish.value,
            persistent.get(knob),
            live.get(knob),
            places.get(knob),
            found,
            kernel,
            host,
        )
        rows.append(
            Row(
                knob,
                sides.wished,
                sides.persistent,
                sides.live,
                kernel.values.get(knob),
                kernel.unavailable.get(knob),
                (*sides.drift(), *_by_hand(sides.persistent, (left or {}).get(knob)), *in_itself.get(knob, ())),
            )
        )
    return rows


@dataclass(frozen=True)
class _Sides:
    knob: str
    wished: Value | None
    persistent: Value | None
    live: Value | None
    place: Place | None
    found: Found
    kernel: KernelView
    host: HostFacts

    def drift(self) -> Iterator[Drift]:
        if self.place is None:
            yield Drift("not_as_wished", registry.aspect_of(self.knob).absent(self.knob, self.found.document))
            return
        defined = self.live if self.found.persistent is None else self.persistent
        if self.wished is not None and self.wished != defined:
            yield Drift("not_as_wished", f"the definition has {worded(defined)}; domain_tune changes it")
        yield from self._of_definitions(self.place)
        yield from self._of_kernel(self.place)

    def _of_definitions(self, place: Place) -> Iterator[Drift]:
        if self.found.live is None or self.found.persistent is None:
            return
        if self.persistent is None or self.live is None:
            where = "the definition" if self.live is None else "the running domain"
            yield Drift("pending_restart", f"only {where} has it, until the domain is shut off and started again")
        elif not place.agrees(self.persistent, self.live, self.host.online):
            if place.live is None:
                text = f"the domain gets {worded(self.persistent)} when it is shut off and started again"
                yield Drift("pending_restart", text)
            else:
                text = f"the domain has {worded(self.live)} while it runs, and {worded(self.persistent)} from its next "
                yield Drift("live_differs", f"{text}start on: one of both was changed alone")

    def _of_kernel(self, place: Place) -> Iterator[Drift]:
        kernel = self.kernel.values.get(self.knob)
        if kernel is not None and self.live is not None:
            live, kernel = (place.effective(value, self.host.online) for value in (self.live, kernel))
            if isinstance(place, Pin):
                yield from self._of_thread(live, kernel)
            elif not agrees(self.knob, live, kernel):
                text = f"the definition says {worded(live)}, and QEMU runs with {worded(kernel)}"
                if self.knob in CGROUPS:
                    reset = "something else has changed its cgroup, such as systemd's daemon-reload"
                    yield Drift("cgroup_reset", f"{text}: {reset}")
                else:
                    yield Drift("kernel_differs", text)
        remark = self.kernel.remarks.get(self.knob)
        if remark is not None:
            yield Drift(*remark)

    def _of_thread(self, live: Value, kernel: Value) -> Iterator[Drift]:
        allowed = self.kernel.allowed.get(self.knob)
        if allowed is not None and isinstance(live, CpuSet) and kernel != live and kernel == live & allowed:
            yield Drift("cgroup_limits", f"the thread's cgroup allows the CPUs {allowed} only")
        elif kernel != live:
            yield Drift(
                "affinity_reset",
                f"libvirt has {worded(live)}, and the kernel lets the thread run on {kernel}: something else has "
                "moved it, such as systemd's daemon-reload, tuned, numad, irqbalance or taskset",
            )
        elif allowed is not None and isinstance(kernel, CpuSet) and not kernel.cpus <= allowed.cpus:
            yield Drift("cgroup_limits", f"the thread's cgroup allows the CPUs {allowed} only")


def _by_hand(persistent: Value | None, left: tuple[Value, str] | None) -> Iterator[Drift]:
    if left is not None and persistent not in (None, left[0]):
        text = f"domain_tune left the definition with {worded(left[0])} at {left[1]}, and now it has "
        yield Drift("changed_by_hand", f"{text}{worded(persistent)}: somebody else has changed it since")


def _in_itself(found: Found, host: HostFacts) -> dict[str, list[Drift]]:
    """What is wrong with the definition as it is, whatever was wished."""
    document = found.document
    findings = preflight(document, document, registry.places(document), found.live is not None, host)
    told: dict[str, list[Drift]] = {}
    for finding in findings:
        name = "cannot_start" if finding.level == "refuse" else "hurts"
        told.setdefault(finding.knob, []).append(Drift(name, finding.text))
    return told
