# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.options import (
    catalog_argument_spec,
    request_from,
    trust_from,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError


def params(**given: object) -> dict[str, t.Any]:
    return {**{name: option.get("default") for name, option in catalog_argument_spec().items()}, **given}


@pytest.mark.parametrize(
    ("machine", "arch"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("ppc64le", "ppc64el"), ("s390x", "s390x")]
)
def test_the_architecture_is_the_targets_in_ubuntus_words(machine: str, arch: str) -> None:
    assert request_from(params(), machine).arch == arch
    assert request_from(params(arch="riscv64"), machine).arch == "riscv64"


def test_the_signature_stands_beside_the_checksum_file() -> None:
    assert request_from(params(checksum_file="SHA512SUMS"), "").signature_file == "SHA512SUMS.gpg"
    assert request_from(params(signature_file="SHA256SUMS.sign"), "").signature_file == "SHA256SUMS.sign"


def test_fingerprints_and_digests_are_taken_as_people_write_them() -> None:
    trust = trust_from(
        params(
            verify="checksum",
            checksum="SHA256:" + "AB" * 32,
            fingerprints=["d2eb 4462 6fdd c30b 513d  5bb7 1a5d 6c4c 7db8 7c81"],
        )
    )
    assert trust.checksum == "sha256:" + "ab" * 32
    assert trust.fingerprints == ("D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"publisher": "directory"}, "Give the URL of the directory in the option mirrors"),
        ({"mirrors": ["cloud-images.example.com"]}, "the mirror 'cloud-images.example.com' is not a URL"),
        ({"mirrors": ["https://mirror.example.com/images/?token=1"]}, "images/ has a query or fragment"),
        ({"verify": "checksum"}, "verify: checksum needs a digest"),
        ({"checksum": "sha256:" + "a" * 64}, "would not be looked at"),
        ({"verify": "checksum", "checksum": "a" * 64}, "is not a digest"),
        ({"verify": "checksum", "checksum": "md5:" + "a" * 32}, "is not a digest"),
        ({"fingerprints": ["7DB87C81"]}, "'7DB87C81' is not the fingerprint of a key"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, object], message: str) -> None:
    def ask() -> None:
        request_from(params(**given), "x86_64")
        trust_from(params(**given))

    with pytest.raises(BadRequestError, match=message):
        ask()


@pytest.mark.parametrize(
    "mirror",
    [
        "https://ops:s3cret@mirror.example.com/images/",
        "https://ops:s3c@ret@mirror.example.com",
        "https://s3cret@mirror.example.com?a=b",
        "https://ops:s3cret@mirror.example.com\\@other.example.com/",
    ],
)
def test_credentials_in_a_url_are_refused_without_being_shown(mirror: str) -> None:
    with pytest.raises(BadRequestError, match="url_username and url_password") as refused:
        request_from(params(mirrors=["https://first.example.com/", mirror]), "x86_64")

    assert "mirror.example.com" in str(refused.value)
    assert "s3c" not in str(refused.value)
    assert "ret@" not in str(refused.value)


def test_an_at_sign_in_a_path_is_no_password() -> None:
    assert request_from(params(mirrors=["https://mirror.example.com/@ops/"]), "x86_64").mirrors
