# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has become of a golden image since its record was written. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

Change = list[t.Optional[str]]
"""What was recorded, and what was found; None for nothing."""


def drift(
    record: Mapping[str, t.Any],
    *,
    digest: str | None,
    packages: Mapping[str, str] | None,
    os_release: Mapping[str, str] | None,
    inside: Mapping[str, t.Any] | None,
) -> dict[str, t.Any]:
    """How an image differs from its build record.

    :arg digest: of the file that the record describes.
    :arg packages: version by package of what is installed, named as in records; None where that is not known, and
        then is not compared.
    :arg os_release: likewise.
    :arg inside: the record that was found in the image itself.
    """
    recorded = record.get("image", {}).get("digest")
    found: dict[str, t.Any] = {
        "digest": _change(recorded, digest) if digest is not None else None,
        "fingerprint": _change(record.get("fingerprint"), inside.get("fingerprint")) if inside is not None else None,
        "packages": _packages(record.get("packages", {}), packages) if packages is not None else {},
        "os_release": _mapping(record.get("os_release", {}), os_release) if os_release is not None else {},
    }
    return {"drifted": any(bool(part) for part in found.values()), **found}


def _packages(recorded: Mapping[str, t.Any], found: Mapping[str, str]) -> dict[str, Change]:
    """A record knows the packages that its build added, removed or changed. What it does not name was the base's."""
    expected: dict[str, str | None] = dict.fromkeys(recorded.get("removed", {}))
    expected.update(recorded.get("added", {}))
    expected.update({name: versions[-1] for name, versions in recorded.get("changed", {}).items()})
    return {
        name: [version, found.get(name)] for name, version in sorted(expected.items()) if found.get(name) != version
    }


def _mapping(recorded: Mapping[str, str], found: Mapping[str, str]) -> dict[str, Change]:
    """A record without it says nothing about it."""
    if not recorded:
        return {}
    names = sorted({*recorded, *found})
    return {name: [recorded.get(name), found.get(name)] for name in names if recorded.get(name) != found.get(name)}


def _change(recorded: str | None, found: str | None) -> Change | None:
    return None if recorded == found else [recorded, found]
