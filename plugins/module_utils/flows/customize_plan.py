# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of ``image_customize`` would make, and what of it is there already: answered from digests and records."""

from __future__ import annotations

import os
import secrets
import typing as t
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ..common.errors import BadRequestError, StoreError, VerificationError
from ..recipe.canonical import RECIPE_SCHEMA, canonical_step, document_digest, fingerprint, seal_with
from ..store.digests import digest_of
from ..store.fingerprint_key import fingerprint_key
from ..store.golden import published_record, read_build_record
from ..store.images import Images
from ..store.layout import Layout, hex_of
from .customize_request import Payload, Request

_SERIAL_DIGITS = 8
_BASE_FACTS = ("publisher", "product", "serial", "release", "version", "lineage", "arch", "url", "proof")


@dataclass(frozen=True)
class Plan:
    """What is wanted beside what is there."""

    base: Mapping[str, t.Any]
    """For the record: path, digest, product, serial, proof and so on."""
    payload_digests: Mapping[str, str]
    """Digest of each file that steps name, by payload key."""
    recipe: Mapping[str, t.Any]
    """All that the fingerprint covers but the base; canonical steps, secrets sealed."""
    fingerprint: str
    path: str
    """Where the wanted image is or will be."""
    exact: bool
    """False in check mode where the base's digest is not known yet or a secret cannot be sealed yet.

    Fingerprint and path are then not those to come.
    """
    published: Mapping[str, t.Any] | None
    """The build record of the wanted image, if that is there."""
    current: str | None
    """The path of the image that the link leads to now."""
    current_record: Mapping[str, t.Any] | None

    @property
    def linked(self) -> bool:
        return self.current == self.path

    def steps(self) -> list[dict[str, t.Any]]:
        """For the result: each step, and whether it differs from that of the current image."""
        known = [] if self.current_record is None else self.current_record["recipe"]["steps"]
        steps = []
        for index, step in enumerate(self.recipe["steps"]):
            digest = document_digest(step)
            changed = index >= len(known) or document_digest(known[index]) != digest
            steps.append({"index": index + 1, "step": next(iter(step)), "digest": digest, "changed": changed})
        return steps

    def diff(self) -> dict[str, t.Any]:
        """The current image's recipe and the wanted one, for ``--diff``."""
        before: dict[str, t.Any] = {}
        if self.current is not None:
            before["current"] = os.path.basename(self.current)
        if self.current_record is not None:
            before["base"] = self.current_record["base"]["digest"]
            before.update(self.current_record["recipe"])
        wanted = os.path.basename(self.path)
        if not self.exact:
            needed = "the store has a key for secrets" if self.base["digest"] else "the base is fetched"
            wanted = f"(not known before {needed})"
        return {"before": before, "after": {"current": wanted, "base": self.base["digest"], **self.recipe}}


def make_plan(layout: Layout, request: Request, *, check_mode: bool) -> Plan:
    """Find out what the run comes to. Writes only digests and the store's key, and in check mode nothing."""
    base = _base(layout, request, check_mode)
    digests = {payload.key: _payload_digest(layout, request, payload, check_mode) for payload in request.payloads()}
    key = None
    exact = bool(base["digest"])
    if any(step.has_secrets() for step in request.steps):
        key = fingerprint_key(layout, create=not check_mode)
        exact = exact and key is not None
    seal = seal_with(key or secrets.token_bytes())
    steps = [
        canonical_step(step, {option: digests[step.payload_key(option)] for option, _path in step.files()}, seal)
        for step in request.steps
    ]
    decisive: dict[str, t.Any] = {
        "steps": steps,
        "engine": request.engine,
        "size": request.size,
        "compression": request.compression,
    }
    wanted = fingerprint(base_digest=base["digest"], **decisive)
    path = request.golden.path(base.get("serial") or hex_of(base["digest"])[:_SERIAL_DIGITS], wanted)
    current = request.golden.current()
    return Plan(
        base=base,
        payload_digests=digests,
        recipe={"schema": RECIPE_SCHEMA, **decisive},
        fingerprint=wanted,
        path=path,
        exact=exact,
        published=published_record(layout, path, wanted, remember=not check_mode) if exact else None,
        current=current,
        current_record=_readable_record(current),
    )


def _base(layout: Layout, request: Request, check_mode: bool) -> dict[str, t.Any]:
    """Path, digest and facts of the base; raises VerificationError when it is not what its digest says."""
    base = request.base
    digest = _base_digest(layout, request, check_mode)
    facts = {key: base.facts[key] for key in _BASE_FACTS if key in base.facts}
    if "proof" not in facts:
        image = Images(layout).get(digest)
        if image is not None and image.sources:
            source = asdict(image.sources[-1])
            facts = {key: source[key] for key in _BASE_FACTS if source.get(key)}
    return {**facts, "path": base.path, "digest": digest}


def _base_digest(layout: Layout, request: Request, check_mode: bool) -> str:
    base = request.base
    if not os.path.isfile(base.path):
        if check_mode and (base.digest or not base.path):
            return base.digest
        raise BadRequestError(
            f"the base image {base.path} is no file of this host",
            "Fetch it with goldsmith.kvm.image_fetch, or give its right path",
        )
    if base.path == os.path.realpath(layout.image(base.digest)):
        images = Images(layout)
        image = images.get(base.digest)
        if image is not None and images.present_identity(image) is not None:
            return base.digest
    found = digest_of(layout, base.path, remember=not check_mode)
    if base.digest and found != base.digest:
        raise VerificationError(
            f"the base image {base.path} is not what was asked for: its digest is {found}, and should be {base.digest}",
            "Fetch it again, or give the right digest",
        )
    return found


def _payload_digest(layout: Layout, request: Request, payload: Payload, check_mode: bool) -> str:
    """The digest of a step's file: the target's own, or as the controller told."""
    place = f"{payload.option} of step {payload.step.label}"
    if payload.step.remote:
        if os.path.isdir(payload.path):
            raise BadRequestError(f"{place} is a directory of this host: {payload.path}", "Name a single file")
        if not os.path.isfile(payload.path):
            raise BadRequestError(
                f"{place} is no file of this host: {payload.path}",
                "Give the right path, or leave out remote_src for a file of the controller",
            )
        return digest_of(layout, payload.path, remember=not check_mode)
    try:
        return request.sent_digests[payload.key]
    except KeyError:
        raise BadRequestError(
            f"{place} is a file of the controller, which only the module's action plugin can send",
            "Run it as a task of a play, or use remote_src: true",
        ) from None


def _readable_record(path: str | None) -> dict[str, t.Any] | None:
    """The current image's record, if it has one that can be understood."""
    try:
        record = None if path is None else read_build_record(path)
    except StoreError:
        return None
    return record if record is not None and record["recipe"].get("schema") == RECIPE_SCHEMA else None
