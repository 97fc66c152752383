# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public key that a repository of packages is signed with."""

from __future__ import annotations

import re
import shlex

from ..common.errors import BadRequestError
from .shell import fail

_BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})", re.IGNORECASE)


def check_armored(option: str, key: str) -> None:
    """Raise BadRequestError where a text is not an armored public key."""
    if "PRIVATE KEY" in key:
        raise BadRequestError(
            f"{option} holds a private key", "Give the public one, as `gpg --armor --export` writes it"
        )
    if _BEGIN not in key or "\0" in key:
        raise BadRequestError(
            f"{option} is not an armored OpenPGP public key: {key[:40]!r}",
            f"Give the text that begins with {_BEGIN}, or name the key's file in key_src",
        )


def checksum(option: str, value: str) -> str:
    """``sha256:…`` of a key's file."""
    found = _SHA256.fullmatch(value)
    if found is None:
        raise BadRequestError(
            f"{option} is not the SHA-256 of the key's file: {value!r}",
            "Fetch the key, compare its fingerprint with what the publisher says elsewhere, and run sha256sum on it",
        )
    return f"sha256:{found[1].lower()}"


def fetch(url: str, digest: str) -> str:
    """Fetch the key's file ``$key`` with apt's own downloader, which is always there, and keeps to apt's proxies."""
    failed = fail(
        f"the key of the repository could not be fetched from {url}, or is not the one that key_checksum is of"
    )
    return f"""\
fetched=$(mktemp -d)
key=$fetched/key
/usr/lib/apt/apt-helper download-file {shlex.quote(url)} "$key" {digest.replace("sha256", "SHA256")} || {failed}
"""


def install(keyring: str) -> str:
    """Make the keyring of the file ``$key``, in the binary form: every apt reads it, however many keys there are."""
    private = fail("the key of the repository is a private one", "give the public one, as `gpg --export` writes it")
    none = fail("the key of the repository is not an OpenPGP public key", "give it as `gpg --export` writes it")
    return f"""\
install -d -m 0755 /etc/apt/keyrings
if grep -q '^-----BEGIN PGP PRIVATE KEY BLOCK-----' "$key"; then {private}; fi
if grep -q '^{_BEGIN}' "$key"; then
    # Of each block what is between the empty line, which ends its headers, and its checksum.
    tr -d '\\r' <"$key" | awk '
        /^{_BEGIN}/ {{ within = 1; next }}
        /^-----END/ {{ within = 0; if (text != "") print text; text = "" }}
        within == 1 && /^[ \\t]*$/ {{ within = 2 }}
        within == 2 && /^[A-Za-z0-9+\\/]/ {{ text = text $0 }}
    ' | while read -r block; do printf '%s' "$block" | base64 -d || exit; done >{keyring}.new || {none}
else
    cat -- "$key" >{keyring}.new
fi
# The tag of the first packet (RFC 9580, 4.2): 5 is a secret key, 6 a public one, in the old form and in the new one.
case $(od -A n -t x1 -N 1 {keyring}.new) in
    ' 98' | ' 99' | ' 9a' | ' 9b' | ' c6') ;;
    ' 94' | ' 95' | ' 96' | ' 97' | ' c5') rm -f -- {keyring}.new; {private} ;;
    *) rm -f -- {keyring}.new; {none} ;;
esac
chmod 0644 {keyring}.new
mv -f -- {keyring}.new {keyring}
"""
