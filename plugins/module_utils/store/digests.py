# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of files that lie outside the store, hashed once as long as the files stay what they are."""

from __future__ import annotations

import os
from dataclasses import asdict

from .files import Identity, hash_file, identity_of, read_json, remove_file, write_json
from .layout import Layout, name_of

_KIND = "digests"


def recall_digest(layout: Layout, path: str) -> str | None:
    """The digest that was recorded for ``path``, or None when there is none or the file has changed since."""
    record = read_json(os.path.join(layout.records, _KIND, f"{name_of(os.path.realpath(path))}.json"))
    identity = identity_of(path)
    if record is None or identity is None or record.get("identity") != asdict(identity):
        return None
    return str(record["digest"])


def remember_digest(layout: Layout, path: str, digest: str, identity: Identity | None) -> None:
    """Record the digest that the file had when it was what ``identity`` says."""
    if identity is not None:
        real = os.path.realpath(path)
        write_json(layout.record(_KIND, name_of(real)), {"path": real, "digest": digest, "identity": asdict(identity)})


def forget_digest(layout: Layout, path: str) -> None:
    """Delete what was recorded for a file, which may be gone by now."""
    remove_file(layout.record_path(_KIND, name_of(os.path.realpath(path))))


def digest_of(layout: Layout, path: str, *, remember: bool = True) -> str:
    """``sha256:…`` of a file, read only if it is not known; ``remember=False`` (check mode) writes nothing."""
    known = recall_digest(layout, path)
    if known is not None:
        return known
    identity = identity_of(path)
    digest = hash_file(path)
    if remember:
        remember_digest(layout, path, digest, identity)
    return digest
