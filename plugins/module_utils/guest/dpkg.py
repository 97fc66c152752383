# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of a guest, as dpkg's database says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .tree import Tree

STATUS = "/var/lib/dpkg/status"
STATUS_DIRECTORY = "/var/lib/dpkg/status.d"
"""Where images that were made without dpkg have a file for each package."""

_ABSENT = ("not-installed", "config-files")
_SOURCE = re.compile(r"(?P<name>\S+)(?:\s+\((?P<version>[^)]*)\))?")


@dataclass(frozen=True)
class Package:
    """A package that is there, wholly or in part."""

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    maintainer: str = ""
    homepage: str = ""
    status: str = "installed"
    """dpkg's word; another than ``installed`` is a package that was not installed to its end."""


def read_packages(tree: Tree) -> list[Package] | None:
    """The packages by name; None where the guest has no database of dpkg's."""
    single = [entry.path for entry in tree.list(STATUS_DIRECTORY) if not entry.path.endswith(".md5sums")]
    paths = [*([STATUS] if tree.entry(STATUS) else []), *single]
    if not paths:
        return None
    contents = tree.read_many(paths)
    texts = (contents[path].decode("utf-8", "replace") for path in paths if path in contents)
    found = [package for text in texts for package in parse_status(text)]
    return sorted(found, key=lambda package: (package.name, package.architecture))


def parse_status(text: str) -> Iterator[Package]:
    """The packages of a file of dpkg's database that are there."""
    for fields in paragraphs(text):
        status = fields.get("status", "install ok installed").split()[-1:]
        if "package" not in fields or not status or status[0] in _ABSENT:
            continue
        name, version = fields["package"], fields.get("version", "")
        source = _SOURCE.fullmatch(fields.get("source", "").strip())
        yield Package(
            name=name,
            version=version,
            architecture=fields.get("architecture", ""),
            source=source["name"] if source else name,
            source_version=(source["version"] if source else None) or version,
            maintainer=fields.get("maintainer", ""),
            homepage=fields.get("homepage", ""),
            status=status[0],
        )


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Value by field, in small letters, of each paragraph of a control file (deb822(5)); of a value the first line."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif line[0] not in " \t#":
            name, colon, value = line.partition(":")
            if colon:
                fields[name.lower()] = value.strip()
    if fields:
        yield fields


def named(packages: Sequence[Package]) -> dict[str, str]:
    """Version by package, of those that are wholly installed.

    Packages of another architecture than dpkg's own are called ``PACKAGE:ARCHITECTURE``, as apt calls them, and as
    build records do.
    """
    native = {package.architecture for package in packages if package.name == "dpkg"} | {"all"}
    return {
        package.name if package.architecture in native else f"{package.name}:{package.architecture}": package.version
        for package in packages
        if package.status == "installed"
    }
