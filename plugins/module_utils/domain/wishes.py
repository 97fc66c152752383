# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From wishes to what each knob of one domain is to be."""

from __future__ import annotations

import fnmatch
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ..common.errors import BadRequestError
from .document import Document
from .model import Found, Wished
from .registry import ASPECTS

_HYPERVISORS = ("qemu", "kvm", "hvf", "test")
_WILDCARDS = frozenset("*?[")


def wished_knobs(wishes: Sequence[Mapping[str, t.Any]], name: str, uuid: str, document: Document) -> dict[str, Wished]:
    """What is asked of one domain; of wishes that say something of the same knob the last one counts."""
    merged: dict[str, Wished] = {}
    for at, wish in enumerate(wishes):
        if not is_meant(wish["domains"], name, uuid):
            continue
        for aspect in ASPECTS:
            options = wish.get(aspect.option)
            if options is not None:
                merged.update(aspect.wished(options, document, f"wishes[{at}].{aspect.option}"))
    return merged


def is_meant(selectors: Iterable[str], name: str, uuid: str) -> bool:
    """Whether one of the selectors is the domain's name, its UUID, or a pattern that its name fits."""
    return any(selects(selector, name, uuid) for selector in selectors)


def selects(selector: str, name: str, uuid: str) -> bool:
    return (
        selector == name or selector.lower() == uuid or (is_pattern(selector) and fnmatch.fnmatchcase(name, selector))
    )


def is_pattern(selector: str) -> bool:
    return bool(_WILDCARDS.intersection(selector))


def refuse_unknown(selectors: Iterable[str], domains: Mapping[str, str], allow_empty: bool) -> None:
    """Raise BadRequestError for a selector that no domain fits; ``domains`` has their UUIDs by name.

    :arg allow_empty: whether patterns may fit none.
    """
    for selector in selectors:
        if any(selects(selector, name, uuid) for name, uuid in domains.items()):
            continue
        known = ", ".join(sorted(domains)[:10]) or "none"
        known += ", …" if len(domains) > 10 else ""
        if not is_pattern(selector):
            raise BadRequestError(
                f"there is no domain {selector!r}; this hypervisor has: {known}",
                "Look at virsh list --all, and at uri: system and session have domains of their own",
            )
        if not allow_empty:
            raise BadRequestError(
                f"no domain fits the pattern {selector!r}; this hypervisor has: {known}",
                "Correct it, or say allow_empty: true if there may be none",
            )


def refuse_other_hypervisors(found: Found) -> None:
    """Raise BadRequestError for a domain that is no guest of QEMU's, to whom most knobs mean nothing."""
    hypervisor = found.document.root.get("type")
    if hypervisor not in _HYPERVISORS:
        raise BadRequestError(
            f"the domain {found.name} is of the type {hypervisor}, and these are settings of QEMU's guests",
            "Leave it out of domains",
        )
