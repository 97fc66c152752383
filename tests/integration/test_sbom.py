# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bills of materials of the test base image, whose package database dpkg-query reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.sbom import cyclonedx, spdx
from ansible_collections.goldsmith.kvm.plugins.module_utils.sbom.model import Software, SoftwarePackage
from ansible_collections.goldsmith.kvm.tests.fixtures.sbom_schemas import read_cyclonedx, read_spdx

_FIELDS = ("Package", "Version", "Architecture", "source:Package", "source:Version", "Maintainer", "Homepage")


@pytest.fixture(name="software", scope="module")
def fixture_software(lower: dict[str, Path]) -> Software:
    root = lower["/"]
    form = "".join(f"${{{field}}}\\t" for field in _FIELDS).removesuffix("\\t") + "\\n"
    argv = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", f"--showformat={form}"]
    listed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    lines = (root / "etc/os-release").read_text().splitlines()
    return Software(
        name="noble-server",
        version="20260905",
        digest=f"sha256:{'0f' * 32}",
        created="2026-09-05T03:28:23Z",
        os_release={key: value.strip('"') for key, dummy, value in (line.partition("=") for line in lines)},
        packages=[SoftwarePackage(*line.split("\t")) for line in listed],
    )


def test_both_formats_list_every_package(software: Software) -> None:
    expected = {(package.name, package.version) for package in software.packages}
    assert len(expected) > 200
    read = read_spdx(spdx.document(software))
    assert {(package.name, package.version) for package in read.packages[2:]} == expected
    bom = read_cyclonedx(cyclonedx.document(software))
    assert {(component.name, component.version) for component in bom.components} == {*expected, ("debian", "12")}


def test_scanners_find_release_and_source(software: Software) -> None:
    purls = {component["name"]: component["purl"] for component in cyclonedx.document(software)["components"][1:]}
    assert purls["libstdc++6"].startswith("pkg:deb/debian/libstdc%2B%2B6@")
    assert purls["libstdc++6"].endswith("?arch=amd64&distro=debian-12&upstream=gcc-12")
    assert purls["cloud-init"].startswith("pkg:deb/debian/cloud-init@22.4.2-1")
    assert purls["cloud-init"].endswith("?arch=all&distro=debian-12")
    assert purls["login"].startswith("pkg:deb/debian/login@1:")
