# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package URLs of Debian packages, by the purl specification (ECMA-427) and its type ``deb``."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from .model import SoftwarePackage, distribution


def deb(package: SoftwarePackage, os_release: Mapping[str, str]) -> str:
    """``pkg:deb/ubuntu/curl@8.5.0-2ubuntu10?arch=amd64&distro=ubuntu-24.04``

    ``upstream`` is no key of the specification. Scanners look there for the source package, by which Debian and
    Ubuntu list vulnerabilities; it is left out where it says nothing new.
    """
    vendor = distribution(os_release)
    release = (os_release.get("VERSION_ID") or os_release.get("VERSION_CODENAME") or "").strip()
    upstream = package.source
    if package.source_version and package.source_version != package.version:
        upstream = f"{package.source or package.name}@{package.source_version}"
    qualifiers = {
        "arch": package.architecture,
        "distro": f"{vendor}-{release}" if release else vendor,
        "upstream": "" if upstream == package.name else upstream,
    }
    version = f"@{_quoted(package.version)}" if package.version else ""
    told = "&".join(f"{key}={_quoted(value)}" for key, value in qualifiers.items() if value)
    return f"pkg:deb/{_quoted(vendor.lower())}/{_quoted(package.name.lower())}{version}?{told}"


def _quoted(text: str) -> str:
    # The specification leaves colons as they are.
    return quote(text, safe=":", errors="replace")
