# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has become of a golden image since its record was written. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

Change = list[t.Optional[str]]
"""What was recorded, and what was found; None for nothing."""


@dataclass(frozen=True)
class Content:
    """What was read of a disk and may differ from a record; None for what is not known."""

    packages: Mapping[str, str] | None
    """Version by package of what is installed, named as in records."""
    os_release: Mapping[str, str] | None
    fingerprint: str | None
    """Of the record in the image itself."""
    complete: bool
    """Whether nothing stood in the way."""


def drift(record: Mapping[str, t.Any], digest: str, found: Content, below: Content | None) -> dict[str, t.Any]:
    """How an image differs from its build record.

    :arg digest: of the file that the record describes.
    :arg found: in the image.
    :arg below: where the image is an overlay of the file that the record describes, what is in that.
    """
    change = _change(record["image"]["digest"], digest)
    release = record.get("os_release") or (below.os_release if below is not None else None)
    differences: dict[str, t.Any] = {
        "digest": change,
        "fingerprint": _change(record.get("fingerprint"), found.fingerprint) if found.fingerprint else None,
        "packages": _packages(record["packages"], below, found.packages) if found.packages is not None else None,
        "os_release": _mapping(release or {}, found.os_release) if found.os_release is not None else None,
    }
    # The digest tells of every bit of the file itself, whatever of it can be read, and of none of an overlay.
    known = below is None or (found.complete and below.complete)
    drifted = True if any(differences.values()) else (False if known else None)
    return {"drifted": drifted, **differences}


def _packages(recorded: Mapping[str, t.Any], below: Content | None, found: Mapping[str, str]) -> dict[str, Change]:
    """A record knows the packages that its build added, removed or changed. The others only the image itself knows."""
    expected: dict[str, str | None] = dict(below.packages or {}) if below is not None else {}
    expected.update(dict.fromkeys(recorded.get("removed", {})))
    expected.update(recorded.get("added", {}))
    expected.update({name: versions[-1] for name, versions in recorded.get("changed", {}).items()})
    names = {*expected, *(found if below is not None and below.packages is not None else ())}
    return {
        name: [expected.get(name), found.get(name)] for name in sorted(names) if expected.get(name) != found.get(name)
    }


def _mapping(recorded: Mapping[str, str], found: Mapping[str, str]) -> dict[str, Change]:
    """A record without it says nothing about it."""
    if not recorded:
        return {}
    names = sorted({*recorded, *found})
    return {name: [recorded.get(name), found.get(name)] for name in names if recorded.get(name) != found.get(name)}


def _change(recorded: str | None, found: str | None) -> Change | None:
    return None if recorded == found else [recorded, found]
