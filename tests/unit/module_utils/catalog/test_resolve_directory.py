# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The publisher ``directory``, the whole way: a loopback server, real signatures, gpgv."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.model import Proof, Request, Trust
from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.resolve import offered, resolve
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    TransferError,
    VerificationError,
)
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.mirror import (
    plain_directory,
)
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Server, serve
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .conftest import resolve_one


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    files = [tmp_path / "debian-13-generic-amd64.qcow2", tmp_path / "debian-13-generic-arm64.qcow2"]
    for file in files:
        file.write_text(file.name)
    return files


def in_directory(server: Server, path: str = "", **options: str) -> Request:
    return Request(publisher="directory", mirrors=(f"{server.url}{path}",), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("form", "algorithm", "checksum_file"),
    [
        ("gnu-text", "sha256", "SHA256SUMS"),
        ("gnu-binary", "sha256", "SHA256SUMS"),
        ("bsd", "sha256", "CHECKSUM"),
        ("bsd", "sha512", "CHECKSUM"),
        ("gnu-text", "sha512", "SHA512SUMS"),
    ],
)
def test_a_directory_with_a_signed_checksum_file(
    host: LocalHost, tmp_path: Path, keys: Keys, images: list[Path], form: str, algorithm: str, checksum_file: str
) -> None:
    root = plain_directory(tmp_path / "root", images, keys, form=form, algorithm=algorithm, checksum_file=checksum_file)
    trust = Trust(keyring=str(keys.checksums.armored))
    with serve(root) as server:
        request = in_directory(
            server, file_name=images[0].name, checksum_file=checksum_file, signature_file=f"{checksum_file}.gpg"
        )
        item = resolve_one(host, request, trust)
        listed = offered(host, dataclasses.replace(request, file_name=""), trust)
        with pytest.raises(BadRequestError, match=f"has no digest for debian-13.*{images[0].name}"):
            resolve(host, dataclasses.replace(request, file_name="debian-13-generic-amd64.raw"), trust)
    assert item.digest == f"{algorithm}:{hashlib.new(algorithm, images[0].read_bytes()).hexdigest()}"
    assert item.urls == (f"{server.url}/{images[0].name}",)
    assert (item.product, item.serial, item.size) == (f"{server.url}/", "", None)
    assert (item.proof.method, item.proof.fingerprint) == ("signature", keys.checksums.fingerprint)
    assert item.proof.file == f"{server.url}/{checksum_file}"
    assert [each.name for each in listed] == [image.name for image in images]


def test_a_directory_with_a_clear_signed_checksum_file(
    host: LocalHost, tmp_path: Path, keys: Keys, images: list[Path]
) -> None:
    root = plain_directory(tmp_path / "root", images, form="bsd", checksum_file="CHECKSUM")
    (root / "CHECKSUM").write_bytes(keys.clearsign(keys.checksums, b"# Fedora\n" + (root / "CHECKSUM").read_bytes()))
    with serve(root) as server:
        request = in_directory(server, file_name=images[0].name, checksum_file="CHECKSUM")
        item = resolve_one(host, request, Trust(keyring=str(keys.binary)))
        assert item.proof.fingerprint == keys.checksums.fingerprint
        assert resolve_one(host, request, Trust("none")).digest == item.digest
        with pytest.raises(VerificationError, match="is unknown"):
            resolve(host, request, Trust(keyring=str(keys.streams.binary)))


def test_an_unsigned_directory(host: LocalHost, tmp_path: Path, keys: Keys, images: list[Path]) -> None:
    root = plain_directory(tmp_path / "root", images)
    digest = f"sha256:{hashlib.sha256(images[0].read_bytes()).hexdigest()}"
    with serve(root) as server:
        request = in_directory(server, file_name=images[0].name)
        with pytest.raises(TransferError, match=r"is there, but not its signature.*verify: none"):
            resolve(host, request, Trust(keyring=str(keys.binary)))
        with pytest.raises(BadRequestError, match="Give their file in the option keyring"):
            resolve(host, request, Trust())
        item = resolve_one(host, request, Trust("none"))
        assert (item.digest, item.proof) == (digest, Proof("none", f"{server.url}/SHA256SUMS"))

        (root / "SHA256SUMS").unlink()
        assert resolve_one(host, request, Trust("none")).digest == ""
        assert resolve_one(host, request, Trust("checksum", checksum=digest)).digest == digest


def test_a_directory_has_names_not_paths(host: LocalHost) -> None:
    with pytest.raises(BadRequestError, match="Put the directory into mirrors"):
        resolve(host, Request("directory", ("http://127.0.0.1:9/",), file_name="../x"), Trust("none"))
