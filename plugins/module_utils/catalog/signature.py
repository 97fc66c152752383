# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who signed a file, as gpgv(1) finds out.

What counts is read from gpgv's status lines, never from its exit status: that is 0 for an expired key, and 2 when one
of two signatures is by a key that is not in the keyring.
"""

from __future__ import annotations

import os
import tempfile
import typing as t
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from ..common.age import format_time
from ..common.errors import BadRequestError, VerificationError
from ..common.host import Host
from .keyring import binary_keys, read_keyring, write_keyring
from .model import Trust

_PREFIX = "[GNUPG:] "

# What makes a single signature worthless, in the words of GnuPG's doc/DETAILS.
_WORTHLESS = {
    "EXPKEYSIG": "the key {} has expired",
    "EXPSIG": "the signature by the key {} has expired",
    "REVKEYSIG": "the key {} has been revoked",
}

_BROKEN_DIGESTS = {"1": "MD5", "2": "SHA-1", "3": "RIPE-MD/160"}
"""By their numbers in OpenPGP (RFC 4880, section 9.4). gpgv itself accepts all but MD5 by default."""

Role = t.Literal["checksums", "streams"]
"""What kind of file a key signs."""


@dataclass(frozen=True)
class Signature:
    """A good signature by a key that counts."""

    fingerprint: str
    """Of the primary key, 40 or 64 upper-case hexadecimal digits."""
    signed_at: str
    """``2024-08-22T03:28:23Z``."""


@dataclass(frozen=True)
class Keys:
    """Public keys, and which of them count for which kind of file."""

    name: str
    """What they are called in messages."""
    content: bytes
    """Armored or binary."""
    checksums: tuple[str, ...] = ()
    """Fingerprints of the primary keys whose signature on a checksum file counts; empty: all of ``content``."""
    streams: tuple[str, ...] = ()
    """Likewise on a simplestreams catalog."""

    def trusted(self, role: Role) -> tuple[str, ...]:
        """The fingerprints that count on a file of this kind."""
        return self.streams if role == "streams" else self.checksums


def trusted_keys(trust: Trust, publishers_own: Keys | None) -> Keys:
    """The keys that ``trust`` names, or the publisher's own. Raises BadRequestError when there are none."""
    if trust.keyring:
        name = f"the keyring {trust.keyring}"
        return Keys(name, read_keyring(trust.keyring), trust.fingerprints, trust.fingerprints)
    if publishers_own is None:
        raise BadRequestError(
            "verify: signature needs the keys of whoever signs the checksum file",
            "Give their file in the option keyring; or, to go without a signature, give the digest with"
            " verify: checksum, or set verify: none",
        )
    unknown = set(trust.fingerprints) - {*publishers_own.checksums, *publishers_own.streams}
    if unknown:
        raise BadRequestError(
            f"the key {', '.join(sorted(unknown))} is not among {publishers_own.name}",
            "Give the file that holds it in the option keyring",
        )
    if trust.fingerprints:
        return Keys(publishers_own.name, publishers_own.content, trust.fingerprints, trust.fingerprints)
    return publishers_own


class Verifier:
    """gpgv with a keyring. Raises MissingProgramError where gpgv is not installed."""

    def __init__(self, host: Host, keys: Keys) -> None:
        self._host = host
        self._gpgv = host.require("gpgv", "gpgv")
        self.keys = keys
        self._directory = tempfile.mkdtemp(prefix="gpgv-", dir=host.tmpdir)
        self._keyring = write_keyring(binary_keys(keys.content, keys.name), self._directory)

    def detached(self, content: bytes, signature: bytes, role: Role, name: str) -> Signature:
        """Who signed ``content``; ``name`` is its URL. Raises VerificationError."""
        status = self._run([self._write("signature", signature), self._write("content", content)])
        return decide(status, self.keys.trusted(role), name, self.keys.name, detached=True)

    def clear_signed(self, content: bytes, role: Role, name: str) -> tuple[bytes, Signature]:
        """What was signed of a clear-signed file, and who signed it; ``name`` is its URL. Raises VerificationError."""
        output = os.path.join(self._directory, "output")
        status = self._run(["--output", output, self._write("content", content)])
        signature = decide(status, self.keys.trusted(role), name, self.keys.name, detached=False)
        with open(output, "rb") as file:
            signed = file.read()
        os.unlink(output)
        return signed, signature

    def _run(self, arguments: list[str]) -> list[str]:
        # A name without a slash would be looked up in gpgv's home directory; `directory` is absolute.
        argv = [self._gpgv, "--status-fd", "1", "--keyring", self._keyring, *arguments]
        return self._host.run(argv, timeout=60).stdout.splitlines()

    def _write(self, name: str, content: bytes) -> str:
        path = os.path.join(self._directory, name)
        with open(path, "wb") as file:
            file.write(content)
        return path


def decide(status: Iterable[str], trusted: Collection[str], name: str, keyring: str, *, detached: bool) -> Signature:
    """What gpgv's status lines say of the file ``name``.

    One good signature by a primary key of ``trusted`` (empty: by any key of the keyring) suffices, beside others that
    have expired or whose key is unknown: publishers sign with the old and the new key when they change it. A bad
    signature refuses the file whatever the others are: its bytes are not what somebody signed.
    Raises VerificationError.
    """
    reports = [line[len(_PREFIX) :].split(" ") for line in status if line.startswith(_PREFIX)]
    keywords = [report[0] for report in reports]
    if "BADSIG" in keywords:
        key = reports[keywords.index("BADSIG")][1]
        raise VerificationError(
            f"the signature of {name} by the key {key} is wrong: the file is not what was signed",
            "The mirror is broken or has been tampered with: use another one, and tell its operator",
        )
    # gpgv writes only the first of several texts, and a detached signature has no text of its own.
    if "ERROR" in keywords or keywords.count("PLAINTEXT") > (0 if detached else 1):
        raise VerificationError(f"{name} is not one signed file: more than one text, or a damaged one", _OTHER_MIRROR)

    reasons = []
    for signature in _signatures(reports):
        good = _good(signature)
        if good is None:
            reasons.append(_why_worthless(signature))
        elif not trusted or good.fingerprint in trusted:
            return good
        else:
            reasons.append(f"the key {good.fingerprint} is not one whose signature counts here")
    if not reasons:
        raise VerificationError(f"{name} carries no signature", _OTHER_MIRROR)
    expected = f"; trusted are {', '.join(sorted(trusted))}" if trusted else ""
    raise VerificationError(
        f"no signature of {name} can be trusted: {'; '.join(reasons)} ({keyring}{expected})",
        "If the publisher has announced a new key, compare its fingerprint with the announcement, put the key into a"
        " file and name that in the option keyring",
    )


_OTHER_MIRROR = "Use another mirror"


def _signatures(reports: list[list[str]]) -> list[dict[str, list[str]]]:
    """The reports on each signature, by keyword. GnuPG 2.1.16 and later begin each with NEWSIG."""
    signatures: list[dict[str, list[str]]] = []
    for keyword, *fields in reports:
        if keyword == "NEWSIG":
            signatures.append({})
        elif signatures:
            signatures[-1][keyword] = fields
    return signatures


def _good(signature: dict[str, list[str]]) -> Signature | None:
    if "GOODSIG" not in signature or any(keyword in signature for keyword in (*_WORTHLESS, "ERRSIG")):
        return None
    valid = signature.get("VALIDSIG", [])
    # VALIDSIG: key, date, timestamp, expiry, version, reserved, algorithms, class, and last the primary key.
    if len(valid) < 10 or _broken_digest(valid):
        return None
    return Signature(fingerprint=valid[-1], signed_at=_iso(valid[2]))


def _broken_digest(valid: list[str]) -> str:
    """Name of the digest of a VALIDSIG, if that is a broken one."""
    return _BROKEN_DIGESTS.get(valid[7], "") if len(valid) > 7 else ""


def _why_worthless(signature: dict[str, list[str]]) -> str:
    for keyword, reason in _WORTHLESS.items():
        if keyword in signature:
            return reason.format(signature[keyword][0])
    if "NO_PUBKEY" in signature:
        error = signature.get("ERRSIG", [])
        # ERRSIG's last field is the whole fingerprint, where the signature tells it.
        key = error[-1] if error and len(error[-1]) >= 40 else signature["NO_PUBKEY"][0]
        return f"the key {key} is unknown"
    broken = _broken_digest(signature.get("VALIDSIG", []))
    if broken:
        return f"the signature by the key {signature['VALIDSIG'][0]} is over a {broken} digest, which can be forged"
    if "ERRSIG" in signature:
        return f"the signature by the key {signature['ERRSIG'][0]} cannot be checked"
    return "a signature is not valid"


def _iso(timestamp: str) -> str:
    """``2024-08-22T03:28:23Z`` of the seconds since 1970, or of ``20240822T032823``: gpgv may write either."""
    if "T" in timestamp:
        moment = datetime.strptime(timestamp, "%Y%m%dT%H%M%S").replace(tzinfo=timezone.utc)
    else:
        moment = datetime.fromtimestamp(int(timestamp), tz=timezone.utc)
    return format_time(moment)
