# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device through which the host takes unused memory back from a guest."""

from __future__ import annotations

import typing as t

from ..document import Document, clear
from ..model import LiveCall, Value, Wished
from ..options import given, number
from ..places import DEFAULT, NONE, Attribute, Number, Place, Plain

VIRTIO = "virtio"
_DEVICE = ("devices", "memballoon")
_LONGEST = 24 * 3600


class Model(Plain):
    """libvirt gives a guest a virtio balloon where nothing is said, so that only ``none`` has to be written."""

    def read(self, document: Document) -> Value:
        model = document.attribute("model", *_DEVICE) or VIRTIO
        # virtio-transitional is the same to all but the guest's bus.
        return VIRTIO if model.startswith(f"{VIRTIO}-") else model

    def write(self, document: Document, value: Value) -> None:
        if value == self.read(document):
            return
        device = document.ensure(*_DEVICE)
        if value == NONE:
            # What is said of the device, its address among it, goes with it.
            clear(device, "model")
        device.set("model", str(value))


class OfDevice(Attribute):
    """What is said of the device, which libvirt takes with its model only."""

    def write(self, document: Document, value: Value) -> None:
        if value != self.default:
            _ensure(document)
        super().write(document, value)


class StatsPeriod(Number):
    def obstacle(self, value: Value, running: Document) -> str | None:
        if running.attribute("model", *_DEVICE) == NONE:
            return "the running domain has no balloon"
        return super().obstacle(value, running)

    def write(self, document: Document, value: Value) -> None:
        if value != self.default:
            _ensure(document)
        super().write(document, value)


def _ensure(document: Document) -> None:
    device = document.ensure(*_DEVICE)
    device.set("model", device.get("model") or VIRTIO)


_PLACES: dict[str, Place] = {
    "balloon.model": Model(),
    "balloon.autodeflate": OfDevice(_DEVICE, "autodeflate"),
    "balloon.free_page_reporting": OfDevice(_DEVICE, "freePageReporting"),
    "balloon.stats_period": StatsPeriod((*_DEVICE, "stats"), "period", NONE, LiveCall("set_stats_period")),
}


class Balloon:
    option = "balloon"
    spec: t.ClassVar[dict[str, t.Any]] = {
        "type": "dict",
        "options": {
            "model": {"type": "str", "choices": [VIRTIO, NONE]},
            "autodeflate": {"type": "str", "choices": [DEFAULT, "on", "off"]},
            "free_page_reporting": {"type": "str", "choices": [DEFAULT, "on", "off"]},
            "stats_period": {"type": "str"},
        },
    }

    def places(self, document: Document) -> dict[str, Place]:
        return _PLACES

    def wished(self, options: dict[str, t.Any], document: Document, option: str) -> dict[str, Wished]:
        wished = {f"balloon.{name}": Wished(value) for name, value in given(options).items()}
        period = options.get("stats_period")
        if period is not None:
            value = number(period, f"{option}.stats_period", 1, _LONGEST, NONE)
            wished["balloon.stats_period"] = Wished(value)
        return wished

    def absent(self, knob: str, document: Document) -> str:
        # Every domain has them all.
        raise KeyError(knob)
