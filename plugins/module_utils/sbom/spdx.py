# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SPDX 2.3, https://spdx.github.io/spdx-spec/v2.3/"""

from __future__ import annotations

import re
import typing as t
from urllib.parse import quote

from . import purl
from .model import (
    TOOL,
    Software,
    SoftwarePackage,
    distinct,
    distribution,
    identity,
    maintainer,
    sha256_of,
    url,
)

_DOCUMENT = "SPDXRef-DOCUMENT"
_IMAGE = "SPDXRef-Image"
_OPERATING_SYSTEM = "SPDXRef-OperatingSystem"
# dpkg does not say whether a maintainer is one person; teams have such names, or mailing lists.
_MANY = re.compile(
    r"\b(?:developers|foundation|group|inc|llc|ltd|gmbh|maintainers?|packagers|packages|packaging|project|security|"
    r"support|teams?)\b|@(?:[a-z-]*lists|tracker)\.",
    re.IGNORECASE,
)
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9.-]")


def document(software: Software) -> dict[str, t.Any]:
    """The bill of materials of an image. For the same software it is the same."""
    packages = [
        _image(software),
        _operating_system(software),
        *(_package(package, software, name) for name, package in _named(distinct(software.packages))),
    ]
    contained = (package["SPDXID"] for package in packages[1:])
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": software.name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{quote(software.name, safe='')}-{identity(software)}",
        "creationInfo": {"created": software.created, "creators": [f"Tool: {TOOL}"]},
        "packages": packages,
        "relationships": [
            _relationship(_DOCUMENT, "DESCRIBES", _IMAGE),
            *(_relationship(_IMAGE, "CONTAINS", element) for element in contained),
        ],
    }


def _image(software: Software) -> dict[str, t.Any]:
    sha256 = sha256_of(software)
    return {
        **_described(_IMAGE, software.name, software.version),
        **({"checksums": [{"algorithm": "SHA256", "checksumValue": sha256}]} if sha256 else {}),
    }


def _operating_system(software: Software) -> dict[str, t.Any]:
    # No primaryPackagePurpose: the revisions of the schema of 2.3 write its operating system in two ways.
    release = software.os_release
    homepage, cpe = url(release.get("HOME_URL", "")), release.get("CPE_NAME", "")
    references = [_reference("SECURITY", "cpe22Type", cpe)] if re.fullmatch(r"cpe:/[!-~]+", cpe) else []
    return {
        **_described(_OPERATING_SYSTEM, distribution(release), release.get("VERSION_ID", "")),
        **({"summary": release["PRETTY_NAME"]} if release.get("PRETTY_NAME") else {}),
        **({"homepage": homepage} if homepage else {}),
        **({"externalRefs": references} if references else {}),
    }


def _package(package: SoftwarePackage, software: Software, spdx_id: str) -> dict[str, t.Any]:
    homepage = url(package.homepage)
    name, email = maintainer(package.maintainer)
    kind = "Organization" if _MANY.search(f"{name} {email}") else "Person"
    source = f"{package.source or package.name} {package.source_version or package.version}".strip()
    return {
        **_described(spdx_id, package.name, package.version),
        **({"supplier": f"{kind}: {name} ({email})"} if name else {}),
        **({"homepage": homepage} if homepage else {}),
        "sourceInfo": f"built package from: {source}",
        "externalRefs": [_reference("PACKAGE-MANAGER", "purl", purl.deb(package, software.os_release))],
    }


def _described(spdx_id: str, name: str, version: str) -> dict[str, t.Any]:
    """What is said of every element. No licence is claimed: dpkg's database knows of none."""
    return {
        "SPDXID": spdx_id,
        "name": name,
        **({"versionInfo": version} if version else {}),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    }


def _named(packages: list[SoftwarePackage]) -> list[tuple[str, SoftwarePackage]]:
    """The packages with identifiers: readable, and no two the same."""
    found: dict[str, SoftwarePackage] = {}
    for package in packages:
        readable = _NOT_ALLOWED.sub("-", f"{package.name}-{package.architecture}")
        name, number = f"SPDXRef-Package-{readable}", 1
        while name in found:
            number += 1
            name = f"SPDXRef-Package-{readable}-{number}"
        found[name] = package
    return list(found.items())


def _reference(category: str, kind: str, locator: str) -> dict[str, str]:
    return {"referenceCategory": category, "referenceType": kind, "referenceLocator": locator}


def _relationship(element: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": other}
