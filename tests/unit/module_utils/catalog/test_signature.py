# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.model import Trust
from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.signature import (
    Keys,
    Signature,
    Verifier,
    decide,
    trusted_keys,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.ubuntu_keys import UBUNTU_KEYS
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    MissingProgramError,
    VerificationError,
)
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Key
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys as KeyPairs
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

TEXT = b"one\n- two\n-----three\n"
NAME = "https://example.com/SHA256SUMS"
ONE, TWO = "1" * 40, "2" * 40
SUBKEY = "5" * 40


def good(primary: str, key: str = SUBKEY, moment: str = "1724297303") -> list[str]:
    return [
        f"NEWSIG {key}",
        f"GOODSIG {key[-16:]} Somebody <a@example.com>",
        f"VALIDSIG {key} 2024-08-22 {moment} 0 4 0 1 10 01 {primary}",
    ]


def expired(primary: str) -> list[str]:
    return [line.replace("GOODSIG", "EXPKEYSIG") for line in good(primary)]


UNKNOWN = ["NEWSIG", f"ERRSIG {TWO[-16:]} 1 10 01 1724297303 9 {TWO}", f"NO_PUBKEY {TWO[-16:]}"]
BAD = ["NEWSIG", f"BADSIG {TWO[-16:]} Somebody"]
PLAINTEXT = ["PLAINTEXT 74 0 "]


def decided(lines: list[str], trusted: tuple[str, ...] = (ONE,), detached: bool = True) -> Signature:
    return decide(
        ["gpgv: chatter", *(f"[GNUPG:] {line}" for line in lines)], trusted, NAME, "the keys", detached=detached
    )


@pytest.mark.parametrize(
    "lines",
    [
        good(ONE),
        good(ONE, moment="20240822T032823"),
        UNKNOWN + good(ONE),
        good(ONE) + UNKNOWN,
        good(TWO) + good(ONE),
        expired(TWO) + good(ONE),
    ],
)
def test_one_good_signature_by_a_trusted_primary_key_suffices(lines: list[str]) -> None:
    assert decided(lines) == Signature(ONE, "2024-08-22T03:28:23Z")


def test_every_key_of_the_keyring_counts_where_none_is_named() -> None:
    assert decided(good(TWO), trusted=()).fingerprint == TWO


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "carries no signature"),
        (["NODATA 1", "NODATA 2"], "carries no signature"),
        (good(TWO), f"the key {TWO} is not one whose signature counts here"),
        # The signing subkey's own fingerprint must not be taken for the primary key's.
        (good(TWO, key=ONE), f"the key {TWO} is not one whose signature counts here"),
        (expired(ONE), f"the key {SUBKEY[-16:]} has expired"),
        (["NEWSIG", f"EXPSIG {ONE[-16:]} a", good(ONE)[2]], "the signature by the key 1111111111111111 has expired"),
        (["NEWSIG", f"REVKEYSIG {ONE[-16:]} a", good(ONE)[2]], "the key 1111111111111111 has been revoked"),
        (UNKNOWN, f"the key {TWO} is unknown"),
        (["NEWSIG", "ERRSIG 1111111111111111 1 10 01 1724297303 4 -"], "1111111111111111 cannot be checked"),
        (good(ONE)[:2], "a signature is not valid"),
        (good(ONE)[::2], "a signature is not valid"),
        ([*good(ONE)[:2], "VALIDSIG " + SUBKEY], "a signature is not valid"),
        # A GOODSIG of one signature and a VALIDSIG of another do not make a good one.
        ([*good(TWO)[:2], "NEWSIG", good(ONE)[2]], "a signature is not valid"),
        ([line.replace(" 10 01 ", " 2 01 ") for line in good(ONE)], "is over a SHA-1 digest, which can be forged"),
        (BAD, "the key 2222222222222222 is wrong: the file is not what was signed"),
        (good(ONE) + BAD, "the key 2222222222222222 is wrong: the file is not what was signed"),
        (PLAINTEXT + good(ONE), "not one signed file"),
    ],
)
def test_what_is_not_good_is_refused_with_its_reason(lines: list[str], reason: str) -> None:
    with pytest.raises(VerificationError) as caught:
        decided(lines)
    assert NAME in caught.value.cause
    assert reason in caught.value.cause


@pytest.mark.parametrize(
    "lines", [PLAINTEXT * 2 + good(ONE), PLAINTEXT + good(ONE) + ["ERROR proc_pkt.plaintext 89_BAD_DATA"]]
)
def test_a_clear_signed_file_with_two_texts_is_refused(lines: list[str]) -> None:
    assert decided(PLAINTEXT + good(ONE), detached=False)
    with pytest.raises(VerificationError, match="not one signed file"):
        decided(lines, detached=False)


@given(st.lists(st.sampled_from([*good(ONE), *good(TWO), *expired(ONE), *UNKNOWN, *BAD, *PLAINTEXT, "ERROR x"])))
def test_whatever_gpgv_says_only_a_trusted_key_is_returned(lines: list[str]) -> None:
    try:
        signature = decided(lines)
    except VerificationError:
        return
    assert signature.fingerprint == ONE
    assert {good(ONE)[1], good(ONE)[2]} <= set(lines)
    assert not any(line.startswith(("BADSIG", "ERROR", "PLAINTEXT")) for line in lines)


def verifier(host: LocalHost, keyring: Path, *trusted: Key) -> Verifier:
    fingerprints = tuple(key.fingerprint for key in trusted)
    return Verifier(host, Keys("the test keys", keyring.read_bytes(), fingerprints, fingerprints))


def test_gpgv_and_a_detached_signature(host: LocalHost, keys: KeyPairs) -> None:
    signature = keys.detached(keys.checksums, TEXT)
    checked = verifier(host, keys.armored, keys.checksums)
    assert checked.detached(TEXT, signature, "checksums", NAME).fingerprint == keys.checksums.fingerprint
    with pytest.raises(VerificationError, match="is wrong: the file is not what was signed"):
        checked.detached(TEXT + b"x", signature, "checksums", NAME)


def test_gpgv_and_a_clear_signed_file_signed_by_a_subkey(host: LocalHost, keys: KeyPairs) -> None:
    signed = keys.clearsign(keys.streams, TEXT)
    text, signature = verifier(host, keys.binary, keys.streams).clear_signed(
        b"before, unsigned\n" + signed + b"after, unsigned\n", "streams", NAME
    )
    assert (text, signature.fingerprint) == (TEXT, keys.streams.fingerprint)
    with pytest.raises(VerificationError, match="is wrong"):
        verifier(host, keys.binary).clear_signed(signed.replace(b"one", b"two"), "streams", NAME)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("untrusted", "is unknown"), ("expired", "has expired"), ("revoked", "has been revoked")],
)
def test_gpgv_and_keys_that_do_not_count(host: LocalHost, keys: KeyPairs, name: str, reason: str) -> None:
    key: Key = getattr(keys, name)
    keyring = keys.binary if name == "untrusted" else keys.all_binary
    signature = keys.detached(key, TEXT)
    with pytest.raises(VerificationError, match=reason):
        verifier(host, keyring, key).detached(TEXT, signature, "checksums", NAME)


def test_gpgv_and_an_expired_signature(host: LocalHost, keys: KeyPairs) -> None:
    signature = keys.detached(keys.checksums, TEXT, ("--default-sig-expire", "seconds=1"))
    time.sleep(1.5)
    with pytest.raises(VerificationError, match=r"the signature by the key \w+ has expired"):
        verifier(host, keys.binary).detached(TEXT, signature, "checksums", NAME)


def test_gpgv_and_a_signature_over_a_weak_digest(host: LocalHost, keys: KeyPairs) -> None:
    signature = keys.detached(keys.checksums, TEXT, ("--digest-algo", "SHA1"))
    with pytest.raises(VerificationError, match="SHA-1") as refused:
        verifier(host, keys.binary).detached(TEXT, signature, "checksums", NAME)
    assert keys.checksums.fingerprint in str(refused.value)


def test_gpgv_and_two_signatures_of_which_one_key_is_unknown(host: LocalHost, keys: KeyPairs) -> None:
    both = ("--local-user", keys.untrusted.fingerprint)
    signature = keys.detached(keys.checksums, TEXT, both)
    checked = verifier(host, keys.checksums.binary)
    assert checked.detached(TEXT, signature, "checksums", NAME).fingerprint == keys.checksums.fingerprint


def test_gpgv_and_two_clear_signed_texts_in_one_file(host: LocalHost, keys: KeyPairs) -> None:
    with keys.session():
        mine, other = keys.clearsign(keys.streams, TEXT), keys.clearsign(keys.untrusted, b"other\n")
    for content in (mine + other, other + mine, mine + mine):
        with pytest.raises(VerificationError, match="not one signed file"):
            verifier(host, keys.binary).clear_signed(content, "streams", NAME)


def test_gpgv_and_a_signature_file_that_has_a_text_of_its_own(host: LocalHost, keys: KeyPairs) -> None:
    with pytest.raises(VerificationError):
        verifier(host, keys.binary).detached(b"other\n", keys.clearsign(keys.streams, TEXT), "checksums", NAME)


@pytest.mark.parametrize("content", [b"", b"<html>Please log in</html>", b"\x00" * 100])
def test_gpgv_and_what_is_no_signature(host: LocalHost, keys: KeyPairs, content: bytes) -> None:
    with pytest.raises(VerificationError, match="carries no signature"):
        verifier(host, keys.binary).detached(TEXT, content, "checksums", NAME)
    with pytest.raises(VerificationError, match="carries no signature"):
        verifier(host, keys.binary).clear_signed(content, "streams", NAME)


def test_a_missing_gpgv_is_named(
    host: LocalHost, keys: KeyPairs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(host, "which", lambda _program: None)
    with pytest.raises(MissingProgramError, match="Install the package gpgv"):
        verifier(host, keys.binary)


def test_whose_signatures_count(keys: KeyPairs) -> None:
    assert trusted_keys(Trust(), UBUNTU_KEYS) is UBUNTU_KEYS
    assert UBUNTU_KEYS.trusted("streams") != UBUNTU_KEYS.trusted("checksums")

    one = trusted_keys(Trust(fingerprints=UBUNTU_KEYS.streams), UBUNTU_KEYS)
    assert one.trusted("checksums") == one.trusted("streams") == UBUNTU_KEYS.streams

    own = trusted_keys(Trust(keyring=str(keys.armored), fingerprints=(ONE,)), UBUNTU_KEYS)
    assert (own.content, own.trusted("checksums")) == (keys.binary.read_bytes(), (ONE,))

    with pytest.raises(BadRequestError, match=f"the key {ONE} is not among Ubuntu's keys"):
        trusted_keys(Trust(fingerprints=(ONE,)), UBUNTU_KEYS)
    with pytest.raises(BadRequestError, match="in the option keyring"):
        trusted_keys(Trust(), None)
