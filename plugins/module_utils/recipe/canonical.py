# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What decides the result of a build, in one spelling, and its digest.

The canonical form of a step has all its options with their defaults. In place of a file's path it has the file's
digest, and in place of a secret a seal: the same for the same secret under the same key, and of no use to who does not
have the key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import typing as t
from collections.abc import Callable, Mapping, Sequence

from .model import Step, with_files

RECIPE_SCHEMA = 2
"""Raised when a step comes to mean something else than before, so that images are rebuilt."""

_UNDECISIVE = frozenset({"network", "timeout", "in_image"})

_OF_FILES = frozenset({"remote_src", "secret"})
"""What only says how the files are to be treated that a step names."""

Seal = Callable[[str], str]


def canonical_step(step: Step, digests: Mapping[str, str], seal: Seal) -> dict[str, t.Any]:
    """``{kind: options}`` of a step; ``digests`` has the digest of each file that the step names, by place.

    What does not decide the result is left out: where a file comes from and whether it is a secret, how long the step
    may take, what it is called.
    """
    kind = step.kind
    if step.has_secret_files():
        digests = {place: seal(digest) for place, digest in digests.items()}
    options: dict[str, t.Any] = {}
    for name, value in sorted(with_files(kind, step.options, digests).items()):
        if name in kind.secrets:
            options[name] = seal(canonical_json(value))
        elif name not in _UNDECISIVE and not (name in _OF_FILES and kind.files):
            options[name] = value
    return {kind.name: options}


def fingerprint(
    *, base_digest: str, steps: Sequence[Mapping[str, t.Any]], engine: str, size: int | None, compression: str
) -> str:
    """``sha256:…`` over all that decides the result of a build. ``steps`` are canonical, ``size`` is in bytes."""
    return document_digest(
        {
            "schema": RECIPE_SCHEMA,
            "base": base_digest,
            "steps": list(steps),
            "engine": engine,
            "size": size,
            "compression": compression,
        }
    )


def document_digest(document: t.Any) -> str:
    """``sha256:…`` of a JSON document, whatever the order of its keys."""
    return f"sha256:{hashlib.sha256(canonical_json(document).encode('utf-8', 'surrogatepass')).hexdigest()}"


def canonical_json(document: t.Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def seal_with(key: bytes) -> Seal:
    """A seal of secrets under ``key``: ``hmac-sha256:…``."""

    def seal(secret: str) -> str:
        return f"hmac-sha256:{hmac.new(key, secret.encode('utf-8', 'surrogatepass'), hashlib.sha256).hexdigest()}"

    return seal
