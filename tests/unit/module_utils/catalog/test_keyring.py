# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.keyring import binary_keys, crc24, read_keyring
from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.ubuntu_keys import UBUNTU_KEYS
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost


def test_an_armored_keyring_becomes_what_gpg_exports_unarmored(keys: Keys) -> None:
    assert read_keyring(str(keys.armored)) == keys.binary.read_bytes()
    assert read_keyring(str(keys.binary)) == keys.binary.read_bytes()


def test_several_armored_blocks_and_text_between_them(keys: Keys) -> None:
    content = b"Our keys\n" + keys.checksums.armored.read_bytes() + b"\n\n" + keys.streams.armored.read_bytes()
    assert binary_keys(content, "keys") == keys.checksums.binary.read_bytes() + keys.streams.binary.read_bytes()


def test_armor_without_check_sum_and_with_headers_and_crlf(keys: Keys) -> None:
    lines = keys.checksums.armored.read_text().splitlines()
    lines = [lines[0], "Comment: ours", *(line for line in lines[1:] if not line.startswith("="))]
    assert binary_keys("\r\n".join(lines).encode(), "keys") == keys.checksums.binary.read_bytes()


def test_the_check_sum_of_rfc_4880() -> None:
    # The check value that the catalogue of CRC algorithms gives for CRC-24/OPENPGP.
    assert crc24(b"123456789") == 0x21CF02


@pytest.mark.parametrize("change", ["character", "last line", "middle"])
def test_a_damaged_armor_is_refused(keys: Keys, change: str) -> None:
    text = keys.checksums.armored.read_text()
    middle = len(text) // 2
    if change == "character":
        text = text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]
    elif change == "last line":
        text = text.replace("-----END PGP PUBLIC KEY BLOCK-----", "")
    else:
        text = text[:middle] + text[middle + 3 :]
    with pytest.raises(BadRequestError, match="the armor of keys is damaged"):
        binary_keys(text.encode(), "keys")


@pytest.mark.parametrize(
    "content", [b"", b"hello\n", b"\x95\x01\x00secret key packet", b"-----BEGIN PGP MESSAGE-----\n"]
)
def test_what_holds_no_public_key_is_refused(content: bytes) -> None:
    with pytest.raises(BadRequestError, match="keys holds no OpenPGP public key"):
        binary_keys(content, "keys")


def test_a_keyring_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match=r"none\.gpg cannot be read: No such file"):
        read_keyring(str(tmp_path / "none.gpg"))


def test_ubuntus_keys_have_the_fingerprints_that_are_trusted(host: LocalHost, tmp_path: Path) -> None:
    keyring = tmp_path / "ubuntu.gpg"
    keyring.write_bytes(binary_keys(UBUNTU_KEYS.content, "Ubuntu's keys"))
    shown = host.run(["gpg", "--homedir", str(tmp_path), "--with-colons", "--show-keys", str(keyring)]).checked().stdout
    fingerprints = {line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr:")}
    assert fingerprints == {*UBUNTU_KEYS.checksums, *UBUNTU_KEYS.streams}
