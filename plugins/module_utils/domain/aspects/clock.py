# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timers that a guest has."""

from __future__ import annotations

import typing as t

from ...common.errors import BadRequestError
from ..document import Document, Known
from ..model import Wished
from ..options import given, refuse_twice
from ..places import DEFAULT, Attribute, Place

_TIMERS = ("rtc", "pit", "hpet", "kvmclock", "tsc", "hypervclock")
_ATTRIBUTES = ("present", "tickpolicy")
TICKPOLICIES = ("delay", "catchup", "merge", "discard")


class Clock:
    option = "clock"
    spec: t.ClassVar[dict[str, t.Any]] = {
        "type": "dict",
        "options": {
            "timers": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True, "choices": list(_TIMERS)},
                    "present": {"type": "str", "choices": [DEFAULT, "yes", "no"]},
                    "tickpolicy": {"type": "str", "choices": [DEFAULT, *TICKPOLICIES]},
                },
            },
        },
    }

    def places(self, document: Document) -> dict[str, Place]:
        return _PLACES

    def wished(self, options: dict[str, t.Any], document: Document, option: str) -> dict[str, Wished]:
        wished: dict[str, Wished] = {}
        timers = options.get("timers") or []
        refuse_twice((timer["name"] for timer in timers), f"{option}.timers", "timer")
        for at, timer in enumerate(timers):
            values = {name: value for name, value in given(timer).items() if name in _ATTRIBUTES}
            if not values:
                raise BadRequestError(f"{option}.timers[{at}] says nothing of the timer", "Give present or tickpolicy")
            for name, value in values.items():
                wished[f"clock.{timer['name']}.{name}"] = Wished(value)
        return wished

    def absent(self, knob: str, document: Document) -> str:
        # Every domain has them all.
        raise KeyError(knob)


_PLACES: dict[str, Place] = {
    f"clock.{timer}.{name}": Attribute(("clock", Known("timer", "name", timer)), name)
    for timer in _TIMERS
    for name in _ATTRIBUTES
}
