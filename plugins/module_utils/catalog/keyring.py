# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading files of OpenPGP public keys."""

from __future__ import annotations

import base64
import binascii
import os

from ..common.errors import BadRequestError

_BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_END = "-----END PGP PUBLIC KEY BLOCK-----"
_PUBLIC_KEY_TAG = 6


def read_keyring(path: str) -> bytes:
    """The keys of the file at ``path``, armored or binary, in the binary form that gpgv takes.

    Raises BadRequestError when the file cannot be read or holds no public key.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise BadRequestError(
            f"the keyring {path} cannot be read: {error.strerror}",
            "The option keyring names a file on the host where the module runs",
        ) from error
    return binary_keys(content, f"the keyring {path}")


def binary_keys(content: bytes, name: str) -> bytes:
    """Public keys in binary form; ``name`` says in errors what ``content`` is. Raises BadRequestError."""
    keys = _dearmored(content, name) if _BEGIN.encode() in content else content
    if not (_is_public_key(keys) or keys[8:12] == b"KBXf"):
        raise BadRequestError(
            f"{name} holds no OpenPGP public key", "Export the key with gpg --export, with or without --armor"
        )
    return keys


def _is_public_key(keys: bytes) -> bool:
    """Whether the first packet's header (RFC 4880, section 4.2) is that of a public key."""
    if not keys or not keys[0] & 0x80:
        return False
    tag = keys[0] & 0x3F if keys[0] & 0x40 else (keys[0] & 0x3C) >> 2
    return tag == _PUBLIC_KEY_TAG


def _dearmored(content: bytes, name: str) -> bytes:
    """All armored blocks, one after the other (RFC 4880, section 6.2). Text between blocks is skipped."""
    keys = bytearray()
    block: list[str] | None = None
    for line in content.decode("ascii", "replace").splitlines():
        line = line.strip()
        if line == _BEGIN:
            block = []
        elif line == _END and block is not None:
            keys += _block_bytes(block, name)
            block = None
        elif block is not None:
            block.append(line)
    if block is not None:
        raise _damaged(name, "its last line is missing")
    return bytes(keys)


def _block_bytes(lines: list[str], name: str) -> bytes:
    # Armor headers, such as "Comment: …", end at the first empty line.
    body = lines[lines.index("") + 1 :] if "" in lines else lines
    checksum = body.pop()[1:] if body and body[-1].startswith("=") else None
    try:
        keys = base64.b64decode("".join(body), validate=True)
        if checksum is not None and base64.b64decode(checksum, validate=True) != crc24(keys).to_bytes(3, "big"):
            raise _damaged(name, "its check sum is wrong")
    except binascii.Error as error:
        raise _damaged(name, str(error)) from error
    return keys


def _damaged(name: str, reason: str) -> BadRequestError:
    return BadRequestError(f"the armor of {name} is damaged: {reason}", "Obtain it again from its owner")


def crc24(content: bytes) -> int:
    """The check sum of an armored block (RFC 4880, section 6.1)."""
    crc = 0xB704CE
    for byte in content:
        crc ^= byte << 16
        for _bit in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc


def write_keyring(keys: bytes, directory: str) -> str:
    """Put binary keys where gpgv can read them; returns the path."""
    path = os.path.join(directory, "keyring.gpg")
    with open(path, "wb") as file:
        file.write(keys)
    return path
