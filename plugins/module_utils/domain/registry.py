# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The aspects that there are, in the order in which they are written. A further one is a file and its line here."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from .aspects import cpu, iothreads
from .aspects.balloon import Balloon
from .aspects.clock import Clock
from .aspects.cputune import Cputune
from .aspects.disks import Disks
from .aspects.interfaces import Interfaces
from .aspects.iothreads import Iothreads
from .aspects.memory_backing import MemoryBacking
from .aspects.numa import Numa
from .document import Document
from .model import Aspect, Value, Wished
from .places import Place

ASPECTS: tuple[Aspect, ...] = (
    # First: others have knobs for each of them.
    Iothreads(),
    Cputune(),
    Numa(),
    cpu.Cpu(),
    MemoryBacking(),
    Balloon(),
    Disks(),
    Interfaces(),
    Clock(),
)


DEVICES: t.Final = tuple(aspect for aspect in ASPECTS if isinstance(aspect, (Disks, Interfaces)))
"""Those whose wishes match what they are for."""


def places(document: Document, also: Iterable[str] = ()) -> dict[str, Place]:
    """Every knob of a domain, and where its value stands.

    :arg also: knobs that are meant besides, if a domain can have them that says nothing of them.
    """
    found = {knob: place for aspect in ASPECTS for knob, place in aspect.places(document).items()}
    # In an order that is not that of the wishes.
    for knob in sorted(also):
        place = None if knob in found else cpu.feature(knob, document)
        if place is not None:
            found[knob] = place
    return found


def read(document: Document, also: Iterable[str] = ()) -> dict[str, Value]:
    """The value of every knob of a domain; see :func:`places`."""
    return {knob: place.read(document) for knob, place in places(document, also).items()}


def with_threads(document: Document, wished: Mapping[str, Wished]) -> Document:
    """The definition with as many iothreads as are wished, so that it has the knobs that come with them."""
    wish = wished.get(iothreads.KNOB)
    threads = iothreads.Threads()
    if wish is None or threads.read(document) == wish.value:
        return document
    changed = document.copy()
    threads.write(changed, wish.value)
    return changed


def aspect_of(knob: str) -> Aspect:
    """The aspect that a knob belongs to."""
    option = knob.partition(".")[0]
    return next(aspect for aspect in ASPECTS if aspect.option == option)


def wish_spec() -> dict[str, t.Any]:
    """Argument spec of what a wish may say of the domains that it is for."""
    return {aspect.option: dict(aspect.spec) for aspect in ASPECTS}
