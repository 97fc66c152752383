# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a publisher's small files from its mirrors, each with the proof of who signed it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..common.errors import HttpStatusError, TransferError, UnreachableError
from ..common.host import Host
from ..common.low_speed import LowSpeed
from ..common.size import format_size
from .signature import Role, Signature, Verifier

LARGEST = 64 * 1024**2
"""Bytes. Ubuntu's largest catalog has about 15 MB; a server must not be able to fill the memory."""

_BACKOFF = (0.5, 1.5)
"""Seconds before the second and the third attempt."""
_LONGEST_RETRY_AFTER = 10.0
_CHUNK = 1024**2
_LOW_SPEED_LIMIT = 1024
"""Bytes per second; a server that sends fewer over ``_LOW_SPEED_TIME`` seconds is given up."""
_LOW_SPEED_TIME = 30.0
_CLEAR_SIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----"


class OutOfReachError(TransferError):
    """No mirror serves a file of the catalog."""

    def __init__(self, failures: Sequence[TransferError]) -> None:
        self.not_there = all(_is_not_there(failure) for failure in failures)
        """Whether every mirror answered that it has no such file."""
        check = "the option mirrors" if self.not_there else "the network, the proxy and the option mirrors"
        super().__init__(
            "the publisher's catalog is out of reach: " + "; ".join(failure.cause for failure in failures),
            failures[0].way_out
            or f"Check {check}; goldsmith.kvm.image_fetch with `offline: true` works from what the store has proved"
            " before",
        )


def _is_not_there(error: TransferError) -> bool:
    return isinstance(error, HttpStatusError) and error.status in (404, 410)


@dataclass(frozen=True)
class Statement:
    """A file's content, and who signed that."""

    url: str
    content: bytes
    signature: Signature | None
    """None when signatures are not looked at."""


class Metadata:
    """The small files below a publisher's base URLs.

    A mirror that cannot be reached or does not have a file is passed over, with a warning when another one serves it.
    A signature that is wrong or by the wrong key is raised at once: going on to the next mirror would hide an attack.
    """

    def __init__(self, host: Host, bases: Sequence[str], verifier: Verifier | None) -> None:
        self._host = host
        self._bases = list(dict.fromkeys(base.rstrip("/") + "/" for base in bases))
        self._verifier = verifier

    def urls(self, path: str) -> tuple[str, ...]:
        """A file's URL on each mirror, those out of reach last."""
        return tuple(base + path for base in self._bases)

    @property
    def verifies(self) -> bool:
        """Whether signatures are looked at."""
        return self._verifier is not None

    def clear_signed(self, path: str, role: Role) -> Statement:
        """What a clear-signed file says, or the whole file when signatures are not looked at.

        Raises OutOfReachError or VerificationError.
        """

        def statement(base: str) -> Statement:
            url = base + path
            return self._opened(url, read_bounded(self._host, url), role)

        return self._from_first(statement)

    def beside_signature(self, path: str, signature_path: str, role: Role) -> Statement:
        """What a file says whose signature stands in another file beside it, or which is clear-signed all the same.

        Raises OutOfReachError or VerificationError.
        """

        def statement(base: str) -> Statement:
            url = base + path
            content = read_bounded(self._host, url)
            if content.startswith(_CLEAR_SIGNED):
                return self._opened(url, content, role)
            if self._verifier is None:
                return Statement(url, content, None)
            try:
                signature = read_bounded(self._host, base + signature_path)
            except HttpStatusError as error:
                if not _is_not_there(error):
                    raise
                raise TransferError(
                    f"{url} is there, but not its signature: {error.cause}",
                    "Without a signature, give the image's digest with `verify: checksum`, or set `verify: none`",
                ) from error
            return Statement(url, content, self._verifier.detached(content, signature, role, url))

        return self._from_first(statement)

    def _opened(self, url: str, content: bytes, role: Role) -> Statement:
        if self._verifier is None:
            return Statement(url, content, None)
        signed, signature = self._verifier.clear_signed(content, role, url)
        return Statement(url, signed, signature)

    def _from_first(self, read: Callable[[str], Statement]) -> Statement:
        """What ``read`` makes of the first mirror that serves it; each is asked again while it may yet answer."""
        failures: dict[str, TransferError] = {}
        hopeful = list(self._bases)
        for pause in (*_BACKOFF, None):
            for base in list(hopeful):
                try:
                    statement = read(base)
                except TransferError as error:
                    failures[base] = error
                    if not _is_transient(error):
                        hopeful.remove(base)
                else:
                    failures.pop(base, None)
                    self._pass_over(failures, base)
                    return statement
            if not hopeful or pause is None:
                break
            time.sleep(max([pause, *(_retry_after(failures[base]) for base in hopeful)]))
        raise OutOfReachError(list(failures.values()))

    def _pass_over(self, failures: Mapping[str, TransferError], served: str) -> None:
        """Warn of mirrors that failed, and ask those out of reach last from now on."""
        for base, error in failures.items():
            self._host.warn(f"{error.cause}; using the mirror {served}")
            if _is_transient(error):
                self._bases.remove(base)
                self._bases.append(base)


def _is_transient(error: TransferError) -> bool:
    return error.transient if isinstance(error, HttpStatusError) else isinstance(error, UnreachableError)


def _retry_after(error: TransferError) -> float:
    return min(getattr(error, "retry_after", None) or 0.0, _LONGEST_RETRY_AFTER)


def read_bounded(host: Host, url: str, largest: int = LARGEST) -> bytes:
    """The whole file at ``url``, which is refused when it is larger than ``largest`` bytes. Raises TransferError."""
    response = host.open_url(url)
    speed = LowSpeed(_LOW_SPEED_LIMIT, _LOW_SPEED_TIME)
    try:
        stated = response.headers.get("Content-Length") or ""
        length = int(stated) if stated.isdigit() else None
        content = bytearray()
        while length is None or length <= largest:
            began = time.monotonic()
            chunk = response.read(_CHUNK)
            speed.passed(len(chunk), time.monotonic() - began, url)
            content += chunk
            if len(content) > largest:
                break
            if not chunk:
                if length is not None and len(content) < length:
                    raise UnreachableError(f"{url} ended after {len(content)} of {length} bytes")
                return bytes(content)
    finally:
        response.close()
    raise TransferError(f"{url} is larger than {format_size(largest)}, which no catalog or checksum file is")
