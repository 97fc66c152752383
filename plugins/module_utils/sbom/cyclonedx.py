# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/"""

from __future__ import annotations

import typing as t

from . import purl
from .model import (
    TOOL,
    TOOL_URL,
    Software,
    SoftwarePackage,
    distinct,
    distribution,
    identity,
    maintainer,
    sha256_of,
    url,
)

_IMAGE = "image"
_OPERATING_SYSTEM = "operating-system"


def document(software: Software) -> dict[str, t.Any]:
    """The bill of materials of an image. For the same software it is the same."""
    components = [
        _operating_system(software),
        *(_package(package, software) for package in distinct(software.packages)),
    ]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{identity(software)}",
        "version": 1,
        "metadata": {
            "timestamp": software.created,
            "tools": {"components": [{"type": "application", "name": TOOL, **_website(TOOL_URL)}]},
            "component": _image(software),
        },
        "components": components,
        # Nothing is said of what the components depend on, which is another thing than that there is nothing.
        "dependencies": [{"ref": _IMAGE, "dependsOn": [component["bom-ref"] for component in components]}],
    }


def _image(software: Software) -> dict[str, t.Any]:
    # The format has no word for an image of a virtual machine; a container is what virtualisation isolates.
    sha256 = sha256_of(software)
    return {
        "type": "container",
        "bom-ref": _IMAGE,
        "name": software.name,
        **({"version": software.version} if software.version else {}),
        **({"hashes": [{"alg": "SHA-256", "content": sha256}]} if sha256 else {}),
    }


def _operating_system(software: Software) -> dict[str, t.Any]:
    release = software.os_release
    return {
        "type": "operating-system",
        "bom-ref": _OPERATING_SYSTEM,
        "name": distribution(release),
        **({"version": release["VERSION_ID"]} if release.get("VERSION_ID") else {}),
        **({"description": release["PRETTY_NAME"]} if release.get("PRETTY_NAME") else {}),
        **_website(release.get("HOME_URL", "")),
    }


def _package(package: SoftwarePackage, software: Software) -> dict[str, t.Any]:
    locator = purl.deb(package, software.os_release)
    name, dummy = maintainer(package.maintainer)
    return {
        # What the format recommends where it is unknown; dpkg does not say.
        "type": "library",
        "bom-ref": locator,
        **({"supplier": {"name": name}} if name else {}),
        "name": package.name,
        **({"version": package.version} if package.version else {}),
        "purl": locator,
        **_website(package.homepage),
    }


def _website(text: str) -> dict[str, t.Any]:
    address = url(text)
    return {"externalReferences": [{"type": "website", "url": address}]} if address else {}
