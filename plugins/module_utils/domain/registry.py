# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The aspects that there are, in the order in which they are written. A further one is a file and its line here."""

from __future__ import annotations

import typing as t

from .aspects.balloon import Balloon
from .aspects.cputune import Cputune
from .aspects.disks import Disks
from .aspects.memory_backing import MemoryBacking
from .document import Document
from .model import Aspect, Value
from .places import Place

ASPECTS: tuple[Aspect, ...] = (
    Cputune(),
    MemoryBacking(),
    Balloon(),
    Disks(),
)


def places(document: Document) -> dict[str, Place]:
    """Every knob of a domain, and where its value stands."""
    return {knob: place for aspect in ASPECTS for knob, place in aspect.places(document).items()}


def read(document: Document) -> dict[str, Value]:
    """The value of every knob of a domain."""
    return {knob: place.read(document) for knob, place in places(document).items()}


def aspect_of(knob: str) -> Aspect:
    """The aspect that a knob belongs to."""
    option = knob.partition(".")[0]
    return next(aspect for aspect in ASPECTS if aspect.option == option)


def wish_spec() -> dict[str, t.Any]:
    """Argument spec of what a wish may say of the domains that it is for."""
    return {aspect.option: dict(aspect.spec) for aspect in ASPECTS}
