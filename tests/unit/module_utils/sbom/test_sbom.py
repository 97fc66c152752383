# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bills of materials are valid by the formats' schemas and libraries, whatever a package database says."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from packageurl import PackageURL

from ansible_collections.goldsmith.kvm.plugins.module_utils.sbom import cyclonedx, purl, spdx
from ansible_collections.goldsmith.kvm.plugins.module_utils.sbom.model import Software, SoftwarePackage, maintainer, url
from ansible_collections.goldsmith.kvm.tests.fixtures.sbom_schemas import read_cyclonedx, read_spdx

NOBLE = {
    "ID": "ubuntu",
    "VERSION_ID": "24.04",
    "PRETTY_NAME": "Ubuntu 24.04.3 LTS",
    "HOME_URL": "https://www.ubuntu.com/",
    "CPE_NAME": "cpe:/o:canonical:ubuntu_linux:24.04",
}
UBUNTU = "Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>"
CURL = SoftwarePackage("curl", "8.5.0-2ubuntu10.6", "amd64", "curl", "8.5.0-2ubuntu10.6", UBUNTU, "https://curl.se/")
PACKAGES = (
    SoftwarePackage("libstdc++6", "14.2.0-4ubuntu2~24.04", "amd64", "gcc-14", "14.2.0-4ubuntu2~24.04", UBUNTU),
    SoftwarePackage("libstdc++6", "14.2.0-4ubuntu2~24.04", "i386", "gcc-14", "14.2.0-4ubuntu2~24.04", UBUNTU),
    SoftwarePackage("login", "1:4.13+dfsg1-4ubuntu3.2", "amd64", "shadow", "1:4.13+dfsg1-4ubuntu3.2", "A B"),
    SoftwarePackage("libdevmapper1.02.1", "2:1.02.185-3ubuntu3", "amd64", "lvm2", "2.03.16-3ubuntu3", "", "www.a.b"),
    CURL,
)
SOFTWARE = Software("noble-server.qcow2", "20260905", f"sha256:{'0f' * 32}", "2026-09-05T03:28:23Z", NOBLE, PACKAGES)


@pytest.mark.parametrize(
    ("package", "os_release", "expected"),
    [
        (
            CURL,
            NOBLE,
            "pkg:deb/ubuntu/curl@8.5.0-2ubuntu10.6?arch=amd64&distro=ubuntu-24.04",
        ),
        (
            PACKAGES[0],
            NOBLE,
            "pkg:deb/ubuntu/libstdc%2B%2B6@14.2.0-4ubuntu2~24.04?arch=amd64&distro=ubuntu-24.04&upstream=gcc-14",
        ),
        (
            PACKAGES[2],
            {"ID": "debian", "VERSION_CODENAME": "sid"},
            "pkg:deb/debian/login@1:4.13%2Bdfsg1-4ubuntu3.2?arch=amd64&distro=debian-sid&upstream=shadow",
        ),
        (
            PACKAGES[3],
            NOBLE,
            "pkg:deb/ubuntu/libdevmapper1.02.1@2:1.02.185-3ubuntu3?arch=amd64&distro=ubuntu-24.04"
            "&upstream=lvm2%402.03.16-3ubuntu3",
        ),
        (
            SoftwarePackage("a", "1+b1", "all", "a", "1"),
            {},
            "pkg:deb/linux/a@1%2Bb1?arch=all&distro=linux&upstream=a%401",
        ),
        (SoftwarePackage("A", "", ""), {"ID": "x"}, "pkg:deb/x/a?distro=x"),
    ],
)
def test_package_urls(package: SoftwarePackage, os_release: dict[str, str], expected: str) -> None:
    assert purl.deb(package, os_release) == expected
    assert PackageURL.from_string(expected).to_string() == expected


def test_spdx() -> None:
    read = read_spdx(spdx.document(SOFTWARE))
    assert read.creation_info.name == "noble-server.qcow2"
    assert re.fullmatch(
        r"https://spdx\.org/spdxdocs/noble-server\.qcow2-[0-9a-f-]{36}", read.creation_info.document_namespace
    )
    packages = {package.spdx_id: package for package in read.packages}
    assert packages["SPDXRef-Image"].checksums[0].value == "0f" * 32
    assert packages["SPDXRef-Image"].version == "20260905"
    assert packages["SPDXRef-OperatingSystem"].external_references[0].locator == NOBLE["CPE_NAME"]
    curl = packages["SPDXRef-Package-curl-amd64"]
    assert (curl.name, curl.version, curl.homepage) == ("curl", "8.5.0-2ubuntu10.6", "https://curl.se/")
    assert curl.source_info == "built package from: curl 8.5.0-2ubuntu10.6"
    assert str(curl.supplier) == "Organization: Ubuntu Developers (ubuntu-devel-discuss@lists.ubuntu.com)"
    assert [reference.locator for reference in curl.external_references] == [purl.deb(CURL, NOBLE)]
    assert packages["SPDXRef-Package-libstdc--6-i386"].name == "libstdc++6"
    assert packages["SPDXRef-Package-libdevmapper1.02.1-amd64"].homepage is None
    assert str(packages["SPDXRef-Package-login-amd64"].supplier) == "Person: A B"
    contained = {
        relationship.related_spdx_element_id
        for relationship in read.relationships
        if (relationship.spdx_element_id, relationship.relationship_type.name) == ("SPDXRef-Image", "CONTAINS")
    }
    assert contained == set(packages) - {"SPDXRef-Image"}


def test_cyclonedx() -> None:
    read = read_cyclonedx(cyclonedx.document(SOFTWARE))
    image = read.metadata.component
    assert image and (image.name, image.version, image.type.value) == ("noble-server.qcow2", "20260905", "container")
    assert [(found.alg.value, found.content) for found in image.hashes] == [("SHA-256", "0f" * 32)]
    components = {(component.name, component.version): component for component in read.components}
    assert components["ubuntu", "24.04"].type.value == "operating-system"
    assert components["ubuntu", "24.04"].description == "Ubuntu 24.04.3 LTS"
    curl = components["curl", CURL.version]
    assert str(curl.purl) == purl.deb(CURL, NOBLE)
    assert curl.supplier and curl.supplier.name == "Ubuntu Developers"
    assert [str(reference.url) for reference in curl.external_references] == ["https://curl.se/"]
    assert not components["login", PACKAGES[2].version].external_references
    assert len(read.components) == 1 + len(PACKAGES)


def test_little_is_known() -> None:
    software = Software("image", "", None, "2026-09-05T03:28:23Z")
    assert [package.name for package in read_spdx(spdx.document(software)).packages] == ["image", "linux"]
    assert [component.name for component in read_cyclonedx(cyclonedx.document(software)).components] == ["linux"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (UBUNTU, ("Ubuntu Developers", "ubuntu-devel-discuss@lists.ubuntu.com")),
        ("  A   B  ", ("A B", "")),
        ("<a@example.com>", ("<a@example.com>", "")),
        ("A <nowhere>", ("A <nowhere>", "")),
        ("", ("", "")),
    ],
)
def test_maintainers(text: str, expected: tuple[str, str]) -> None:
    assert maintainer(text) == expected


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("https://curl.se/", True),
        ("http://www.gnu.org/software/libc/libc.html", True),
        ("https://example.com:8080/a?b=c#d", True),
        ("ftp://ftp.gnu.org", True),
        ("https://anonscm.debian.org/~x/(a)%20b", True),
        ("", False),
        ("www.example.com", False),
        ("https://example.com/a b", False),
        ("https://example.com/%zz", False),
        ("https://localhost/", False),
        ("<https://example.com/>", False),
        ("javascript:alert(1)", False),
        ("https://exämple.com/", False),
        ("https://example.com/\n", False),
    ],
)
def test_home_pages(text: str, sound: bool) -> None:
    assert url(text) == (text if sound else None)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,9}", fullmatch=True)
VERSIONS = st.from_regex(r"(?:[0-9]:)?[0-9][A-Za-z0-9.+~-]{0,9}", fullmatch=True) | st.sampled_from(["", "1%&ü#?@"])
DEBS = st.builds(
    SoftwarePackage,
    name=NAMES | st.sampled_from(["libstdc++6", "libstdc--6", "g++", "a.b", "a-b", "a-b-2"]),
    version=VERSIONS,
    architecture=st.sampled_from(["amd64", "all", "i386", "", "amd64-2"]),
    source=NAMES | st.just(""),
    source_version=VERSIONS,
    maintainer=TEXTS | st.just(UBUNTU) | st.just("A (B) <a@example.com>") | st.just("(A)") | st.just("A (b"),
    homepage=TEXTS.map(lambda text: f"https://example.com/{text}") | TEXTS,
)
RELEASES = st.dictionaries(st.sampled_from([*NOBLE, "VERSION_CODENAME"]), TEXTS, max_size=3) | st.just(NOBLE)
SOFTWARES = st.builds(
    Software,
    name=TEXTS.filter(str.strip),
    version=TEXTS,
    digest=st.none() | st.just(f"sha256:{'a1' * 32}") | st.just("sha512:00"),
    created=st.just("2026-09-05T03:28:23Z"),
    os_release=RELEASES,
    packages=st.lists(DEBS, max_size=4),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SOFTWARES)
@example(replace(SOFTWARE, packages=PACKAGES * 2))
@example(replace(SOFTWARE, os_release={"ID": " ", "VERSION_ID": " "}))
@example(replace(SOFTWARE, packages=[SoftwarePackage(name, "1", "all") for name in ("a+", "a-", "a--2", "a~")]))
def test_any_software_gives_valid_documents(software: Software) -> None:
    expected = {(package.name, package.version, package.architecture) for package in software.packages}
    tags = spdx.document(software)
    assert len(read_spdx(tags).packages) == 2 + len(expected)
    bom = cyclonedx.document(software)
    assert len(read_cyclonedx(bom).components) == 1 + len(expected)
    references = [component["bom-ref"] for component in bom["components"]]
    assert len({*references, "image"}) == 1 + len(references)
    for component in bom["components"][1:]:
        found = PackageURL.from_string(component["purl"])
        assert (found.name, found.version or "") == (component["name"], component.get("version", ""))
        assert found.to_string() == component["purl"]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(software=SOFTWARES, data=st.data())
def test_the_same_software_gives_the_same_document(software: Software, data: st.DataObject) -> None:
    packages = list({(p.name, p.version, p.architecture): p for p in software.packages}.values())
    software = replace(software, packages=packages)
    shuffled = replace(
        software,
        packages=data.draw(st.permutations(packages)),
        os_release=dict(reversed(list(software.os_release.items()))),
    )
    other = replace(software, digest=f"sha256:{'b2' * 32}")
    for document, identity in ((spdx.document, "documentNamespace"), (cyclonedx.document, "serialNumber")):
        assert json.dumps(document(software)) == json.dumps(document(shuffled))
        assert document(software)[identity] != document(other)[identity]
