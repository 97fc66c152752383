# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.checksums import digest_of, parse_checksums
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError, VerificationError

URL = "https://example.com/SHA256SUMS"
A = "a" * 64
B = "b" * 128


@pytest.mark.parametrize(
    ("line", "name", "digest"),
    [
        (f"{A}  noble.img", "noble.img", f"sha256:{A}"),
        (f"{A} *noble.img", "noble.img", f"sha256:{A}"),
        (f"{A.upper()} *noble.img", "noble.img", f"sha256:{A}"),
        (f"{A}  ./noble.img", "noble.img", f"sha256:{A}"),
        (f"{A}  a name with blanks.img", "a name with blanks.img", f"sha256:{A}"),
        (f"{A} **starred.img", "*starred.img", f"sha256:{A}"),
        (f"{B}  noble.img", "noble.img", f"sha512:{B}"),
        (f"SHA256 (noble.img) = {A}", "noble.img", f"sha256:{A}"),
        (f"SHA512 (noble.img) = {B}", "noble.img", f"sha512:{B}"),
        (f"SHA256(noble.img)= {A}", "noble.img", f"sha256:{A}"),
        (f"SHA256 (noble (1).img) = {A}", "noble (1).img", f"sha256:{A}"),
        (f"{A} *noble.img\r", "noble.img", f"sha256:{A}"),
    ],
)
def test_reads_every_form_of_line(line: str, name: str, digest: str) -> None:
    content = f"# Fedora writes such a line\n\n{line}\n".encode()
    assert parse_checksums(content, URL) == {name: digest}


@pytest.mark.parametrize(
    "line",
    [
        "",
        f"# {A}  noble.img",
        f"{'a' * 32}  noble.img",
        f"{'a' * 40}  noble.img",
        f"SHA512 (noble.img) = {A}",
        f"MD5 (noble.img) = {'a' * 32}",
        f"{A}",
        f"{A} noble.img",
        "<html>404</html>",
    ],
)
def test_a_file_without_any_digest_is_refused(line: str) -> None:
    with pytest.raises(VerificationError, match=f"{URL} has no line with a SHA-256 or SHA-512 digest"):
        parse_checksums(line.encode(), URL)


def test_the_longer_digest_of_a_name_counts() -> None:
    content = f"SHA512 (noble.img) = {B}\nSHA256 (noble.img) = {A}\n".encode()
    assert parse_checksums(content, URL) == {"noble.img": f"sha512:{B}"}


def test_two_digests_for_a_name_are_refused() -> None:
    content = f"{A}  noble.img\n{'c' * 64}  noble.img\n".encode()
    with pytest.raises(VerificationError, match=f"two digests for noble.img: sha256:{A} and sha256:{'c' * 64}"):
        parse_checksums(content, URL)


def test_a_missing_name_is_told_with_similar_ones() -> None:
    digests = {"ubuntu-24.04-server-cloudimg-arm64.img": "", "ubuntu-24.04-server-cloudimg-amd64.vmdk": "", "zzz": ""}
    with pytest.raises(BadRequestError) as caught:
        digest_of(digests, "ubuntu-24.04-server-cloudimg-amd64.img", URL)
    assert caught.value.cause == f"{URL} has no digest for ubuntu-24.04-server-cloudimg-amd64.img"
    assert "ubuntu-24.04-server-cloudimg-arm64.img" in caught.value.way_out
    assert "zzz" not in caught.value.way_out


NAMES = (
    st.text("abcXYZ019._-+ ()*=~é", min_size=1, max_size=30).map(str.strip).filter(lambda name: name and name[0] != "*")
)


@given(
    st.dictionaries(NAMES, st.binary(min_size=32, max_size=32), min_size=1),
    st.sampled_from(["{1}  {0}", "{1} *{0}", "SHA256 ({0}) = {1}"]),
)
def test_what_is_written_is_read_again(digests: dict[str, bytes], form: str) -> None:
    content = "".join(form.format(name, digest.hex()) + "\n" for name, digest in digests.items()).encode()
    assert parse_checksums(content, URL) == {name: f"sha256:{digest.hex()}" for name, digest in digests.items()}


@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(VerificationError):
        parse_checksums(content, URL)
