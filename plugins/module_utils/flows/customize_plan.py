# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of ``image_customize`` would make, and what of it is there already: answered from digests and records."""

from __future__ import annotations

import secrets
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..common.age import now, parse_time
from ..common.errors import BadRequestError, StoreError
from ..common.host import Host
from ..recipe.canonical import RECIPE_SCHEMA, canonical_step, fingerprint, seal_with
from ..recipe.model import Step
from ..store.fingerprint_key import fingerprint_key
from ..store.layout import Layout, hex_of
from ..store.published import Published, newest_published, read_build_record
from .customize_base import find_base, find_system, known_system
from .customize_payloads import Payload, payload_digest, payloads_of
from .customize_request import Request

_SERIAL_DIGITS = 8
_MISSING = "missing"


@dataclass(frozen=True)
class Plan:
    """What is wanted beside what is there."""

    base: Mapping[str, t.Any]
    """For the record: path, digest, product, serial, proof and so on."""
    steps: tuple[Step, ...]
    """Those that are meant for this base."""
    payload_digests: Mapping[str, str]
    """Digest of each file that these steps name, by payload key."""
    recipe: Mapping[str, t.Any]
    """All that the fingerprint covers but the base; canonical steps, secrets sealed."""
    fingerprint: str
    unknown: str
    """In check mode, what has to happen before fingerprint and path can be known; empty where they are."""
    first_path: str
    """Where the first image of the fingerprint is or will be."""
    newest: Published | None
    """The image of the fingerprint that was built last, if there is one."""
    stale: tuple[str, ...]
    """Why that does not do: ``max_age``, ``force``."""
    lacking: tuple[str, ...]
    """Evidence that is wanted of it, and that its record does not have."""
    current: str | None
    """The path of the image that the link leads to now."""
    current_record: Mapping[str, t.Any] | None

    @property
    def published(self) -> Published | None:
        """The wanted image, if it is there."""
        return None if self.stale else self.newest

    @property
    def path(self) -> str | None:
        """Where the wanted image is or will be; None while that cannot be known."""
        if self.published is not None:
            return self.published.path
        return None if self.unknown or self.newest is not None else self.first_path

    @property
    def linked(self) -> bool:
        return self.published is not None and self.current == self.published.path

    @property
    def settled(self) -> bool:
        """Whether there is nothing to do."""
        return self.linked and not self.lacking

    def payloads(self) -> list[Payload]:
        return list(payloads_of(self.steps))


def make_plan(host: Host, layout: Layout, request: Request, *, check_mode: bool) -> Plan:
    """Find out what the run comes to.

    It writes only digests, the store's key and what system a base holds, and looks into the base only where a
    condition asks for what is not known. In check mode it does neither.
    """
    base = find_base(layout, request, check_mode)
    steps, unknown = _meant_steps(host, layout, request, base, check_mode)
    digests = {each.key: _digest(host, layout, request, each, check_mode, unknown) for each in payloads_of(steps)}
    key = None
    if any(step.has_secrets() for step in steps):
        key = fingerprint_key(layout, create=not check_mode)
        unknown = unknown or ("" if key is not None else "the store has a key for secrets")
    unknown = unknown if base["digest"] else "the base is fetched"
    seal = seal_with(key or secrets.token_bytes())
    decisive: dict[str, t.Any] = {
        "steps": [_canonical(step, digests, seal) for step in steps],
        "engine": request.engine,
        "size": request.size,
        "compression": request.compression,
    }
    wanted = fingerprint(base_digest=base["digest"], **decisive)
    path = request.golden.path(base.get("serial") or hex_of(base["digest"])[:_SERIAL_DIGITS], wanted)
    newest = None
    if not unknown:
        # Publishers give the same bytes a further serial.
        paths = [*request.golden.images(path), *request.golden.images_of_other_serials(path, wanted)]
        newest = newest_published(layout, paths, wanted, remember=not check_mode)
    current = request.golden.current()
    return Plan(
        base=base,
        steps=tuple(steps),
        payload_digests=digests,
        recipe={"schema": RECIPE_SCHEMA, **decisive},
        fingerprint=wanted,
        unknown=unknown,
        first_path=path,
        newest=newest,
        stale=_stale(request, newest),
        lacking=() if newest is None else request.checks.left(newest.record).evidence,
        current=current,
        current_record=_readable_record(current),
    )


def _meant_steps(
    host: Host, layout: Layout, request: Request, base: Mapping[str, t.Any], check_mode: bool
) -> tuple[Sequence[Step], str]:
    """The steps that are meant for the base, and what has to happen before that is known."""
    if all(step.condition is None for step in request.steps):
        return request.steps, ""
    system = known_system(layout, base)
    if system is None and check_mode:
        host.warn(
            "it is not known which system the base holds, so it cannot be told which steps with a condition are meant "
            "for it: all are shown. A run looks into the base once; check mode launches nothing"
        )
        return request.steps, "the base is looked into"
    if system is None:
        system = find_system(host, layout, request, base)
    return [step for step in request.steps if step.condition is None or step.condition.holds(system)], ""


def _digest(host: Host, layout: Layout, request: Request, payload: Payload, check_mode: bool, unknown: str) -> str:
    """The digest of a file; a word in its place where it is missing and may not be needed."""
    try:
        return payload_digest(layout, request.sent, payload, check_mode)
    except BadRequestError as error:
        # The run will know whether the step is meant.
        if not (check_mode and unknown and payload.step.condition is not None):
            raise
        host.warn(f"if the base is one that step {payload.step.label} is meant for, the run fails: {error}")
        return _MISSING


def _canonical(step: Step, digests: Mapping[str, str], seal: t.Callable[[str], str]) -> dict[str, t.Any]:
    return canonical_step(step, {place: digests[step.payload_key(place)] for place, dummy in step.files()}, seal)


def _stale(request: Request, newest: Published | None) -> tuple[str, ...]:
    """Why an image of the fingerprint that is there does not do."""
    stale = []
    if newest is not None and request.max_age is not None and _is_older(newest, request):
        stale.append("max_age")
    if request.force:
        stale.append("force")
    return tuple(stale)


def _is_older(image: Published, request: Request) -> bool:
    try:
        return request.max_age is not None and now() - parse_time(image.record["created"]) > request.max_age
    except ValueError:
        return True


def _readable_record(path: str | None) -> dict[str, t.Any] | None:
    """The current image's record, if it has one that can be understood."""
    try:
        return None if path is None else read_build_record(path)
    except StoreError:
        return None
