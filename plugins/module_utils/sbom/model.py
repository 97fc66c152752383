# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bill of materials tells of, whatever its format. Pure, as all of this room."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

TOOL = "goldsmith.kvm"
TOOL_URL = "https://github.com/goldsmith/goldsmith.kvm"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, TOOL_URL)
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_URL = re.compile(
    r"""(?:https?|ftp):// (?:[a-z0-9]+(?:-+[a-z0-9]+)*\.)+ [a-z]{2,} (?::[0-9]{1,5})?
        (?:[/?\#](?:[a-z0-9._~:/?@!$&'()*+,;=-] | %[0-9a-f]{2})*)*""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
_MAINTAINER = re.compile(r"(?P<name>[^<>]*?)\s*<(?P<email>[^<>\s@]+@[^<>\s@]+)>")


@dataclass(frozen=True)
class SoftwarePackage:
    """A Debian package. ``maintainer`` is a name, with ``<address>`` behind it."""

    name: str
    version: str
    architecture: str
    source: str = ""
    source_version: str = ""
    maintainer: str = ""
    homepage: str = ""


@dataclass(frozen=True)
class Software:
    """An image and what is installed in it."""

    name: str
    """Of the image."""
    version: str
    """The image's serial; empty where it has none."""
    digest: str | None
    """``sha256:<hex>`` of the image's file, where it is known."""
    created: str
    """When the document is made, or the image was: ``2026-09-05T03:28:23Z``."""
    os_release: Mapping[str, str] = field(default_factory=dict)
    packages: Sequence[SoftwarePackage] = ()


def distinct(packages: Sequence[SoftwarePackage]) -> list[SoftwarePackage]:
    """In order, and of those with one name, version and architecture the first."""
    found: dict[tuple[str, str, str], SoftwarePackage] = {}
    for package in sorted(packages, key=lambda package: tuple(asdict(package).values())):
        found.setdefault((package.name.lower(), package.version, package.architecture), package)
    return list(found.values())


def identity(software: Software) -> uuid.UUID:
    """The same for the same software, and another for any other."""
    packages = [asdict(package) for package in distinct(software.packages)]
    told = {**asdict(software), "os_release": dict(software.os_release), "packages": packages}
    return uuid.uuid5(_NAMESPACE, json.dumps(told, sort_keys=True))


def sha256_of(software: Software) -> str | None:
    """The digest in hexadecimal."""
    found = _SHA256.fullmatch(software.digest or "")
    return found[1] if found else None


def distribution(os_release: Mapping[str, str]) -> str:
    """The ID of os-release(5), with its default."""
    return os_release.get("ID", "").strip() or "linux"


def url(text: str) -> str | None:
    """The URL, where it is one that the formats allow. What packages name as their home page may be anything."""
    return text if _URL.fullmatch(text) else None


def maintainer(text: str) -> tuple[str, str]:
    """Name and address; each may be empty."""
    found = _MAINTAINER.fullmatch(" ".join(text.split()))
    return (found["name"], found["email"]) if found and found["name"] else (" ".join(text.split()), "")
