# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the packages that were read in an image to bills of materials. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..guest.dpkg import Package
from ..sbom import cyclonedx, spdx
from ..sbom.model import Software, SoftwarePackage

FORMATS: Mapping[str, Callable[[Software], dict[str, t.Any]]] = {
    "spdx": spdx.document,
    "cyclonedx": cyclonedx.document,
}


def software(
    name: str,
    version: str,
    digest: str | None,
    created: str,
    os_release: Mapping[str, str],
    packages: Iterable[Package],
) -> Software:
    """What a bill of materials tells of; ``digest`` is ``sha256:<hex>``, ``created`` as format_time writes it.

    A package that was not installed to its end is in the image all the same.
    """
    return Software(
        name=name,
        version=version,
        digest=digest,
        created=created,
        os_release=os_release,
        packages=[
            SoftwarePackage(
                name=package.name,
                version=package.version,
                architecture=package.architecture,
                source=package.source,
                source_version=package.source_version,
                maintainer=package.maintainer,
                homepage=package.homepage,
            )
            for package in packages
        ],
    )


def documents(formats: Sequence[str], described: Software) -> dict[str, dict[str, t.Any]]:
    """The bills of materials in these formats, of :data:`FORMATS`."""
    return {name: FORMATS[name](described) for name in formats}
