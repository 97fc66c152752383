# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From wishes to what each knob of one domain is to be."""

from __future__ import annotations

import fnmatch
import itertools
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..common.errors import BadRequestError
from .document import Document
from .model import Found, Wished
from .options import given
from .profiles import profile_options
from .registry import ASPECTS, DEVICES, with_threads

_HYPERVISORS = ("qemu", "kvm", "hvf", "test")
PROFILE = "profile"
_WILDCARDS = frozenset("*?[")


def wished_knobs(wishes: Sequence[Mapping[str, t.Any]], name: str, uuid: str, document: Document) -> dict[str, Wished]:
    """What is asked of one domain; of wishes that say something of the same knob the last one counts."""
    meant = [(at, wish) for at, wish in enumerate(wishes) if is_meant(wish["domains"], name, uuid)]
    merged: dict[str, Wished] = {}
    # Others are about the iothreads that there will be.
    for aspects in (ASPECTS[:1], ASPECTS[1:]):
        document = with_threads(document, merged)
        for at, wish in meant:
            for options, aspect in itertools.product(_bundles(wish), aspects):
                asked = options.get(aspect.option)
                if asked is not None:
                    merged.update(aspect.wished(asked, document, f"wishes[{at}].{aspect.option}"))
    return merged


def _bundles(wish: Mapping[str, t.Any]) -> list[Mapping[str, t.Any]]:
    """What the wish itself says comes after its profile, and so wins over it."""
    profile = wish.get(PROFILE)
    return [profile_options(profile), wish] if profile else [wish]


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


def unmatched(wishes: Sequence[Mapping[str, t.Any]], domains: Iterable[Found]) -> Iterator[str]:
    """The matches of devices that none of the domains has any for: sentences without a full stop.

    Where one of several domains has none, that is as meant: ``bus: virtio`` is for those that have such disks.
    """
    there = list(domains)
    for at, wish in enumerate(wishes):
        meant = [found for found in there if is_meant(wish["domains"], found.name, found.uuid)]
        for aspect in DEVICES:
            for number, entry in enumerate(wish.get(aspect.option) or []):
                match = given(entry["match"])
                if meant and not any(aspect.matching(match, found.document) for found in meant):
                    names = ", ".join(found.name for found in meant[:10]) + (", …" if len(meant) > 10 else "")
                    yield (
                        f"wishes[{at}].{aspect.option}[{number}].match is {match}, and none of the {aspect.option} of "
                        f"{names} is like that"
                    )


def refuse_unmatched(wishes: Sequence[Mapping[str, t.Any]], domains: Iterable[Found]) -> None:
    """Raise BadRequestError for a match of devices that none of the domains has any for."""
    for sentence in unmatched(wishes, domains):
        raise BadRequestError(
            sentence, "Look at virsh dumpxml, and correct it, or say allow_empty: true if there may be none"
        )


def refuse_other_hypervisors(found: Found) -> None:
    """Raise BadRequestError for a domain that is no guest of QEMU's, to whom most knobs mean nothing."""
    hypervisor = found.document.root.get("type")
    if hypervisor not in _HYPERVISORS:
        raise BadRequestError(
            f"the domain {found.name} is of the type {hypervisor}, and these are settings of QEMU's guests",
            "Leave it out of domains",
        )
