# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes from a URL into a file that is known to be complete and right."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..common.errors import BadRequestError, GoldsmithError, HttpStatusError, TransferError, VerificationError
from ..common.host import Host
from ..common.size import format_size
from .bucket import TokenBucket
from .connections import Connections, Settings
from .part import PartFile
from .patience import Patience
from .request import Answer, FileChangedError, RangesIgnoredError, Version, ask
from .sidecar import Sidecar, load_sidecar, remove_sidecar, save_sidecar
from .space import disk_errors_named, require_space
from .validators import Validators
from .window import Window

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Transferred:
    """A complete file and how it came."""

    digest: str
    """``sha256:<hex>`` of the file."""
    size: int
    bytes: int
    """How many came over the network in this run."""
    seconds: float
    resumed_from: int
    """Bytes that an earlier run had left and that were used."""
    connections: int
    """How many connections at once brought something; 0 if nothing was missing."""
    url: str
    """The URL, of those given, that the last bytes came from."""


def download(
    host: Host,
    urls: Sequence[str],
    part_path: str,
    *,
    expected: str = "",
    size: int | None = None,
    connections: int = 4,
    rate_limit: int | None = None,
    retries: int = 5,
    chunk_size: int = 8 * _MIB,
    first_pause: float = 1.0,
    low_speed_limit: int = 1024,
    low_speed_time: float = 60.0,
) -> Transferred:
    """Fetch a file into ``part_path``, which is then complete, checked and on the disk: rename it to publish it.

    :arg urls: the same file on each mirror, tried in order.
    :arg part_path: what an earlier run left there is gone on with, if ``expected`` or a strong ETag allows it. Beside
        it lies a note, ``part_path`` with ``.json``, until the file is complete. The caller keeps other processes away.
    :arg expected: ``sha256:<hex>`` or ``sha512:<hex>``; empty if nothing is known of the file.
    :arg size: bytes of the file, if known.
    :arg connections: how many at once, where the server honours ranges; the memory used is about twice as many chunks.
    :arg rate_limit: bytes per second, all connections together.
    :arg retries: attempts without any progress before a mirror is given up.
    :arg chunk_size: bytes per request when there are several connections.
    :arg first_pause: seconds before the first retry; each further pause is twice as long, up to a minute.
    :arg low_speed_limit: bytes per second; a connection that is slower over ``low_speed_time`` seconds is replaced.
    :raises TransferError: no mirror delivered; the part stays for the next run.
    :raises VerificationError: the whole file was fetched and is not what it should be; the part is removed.
    :raises StoreError: the disk is full, or refuses; what was written stays for the next run.
    """
    settings = Settings(connections, chunk_size, retries, first_pause, low_speed_limit, low_speed_time)
    transfer = _Transfer(host, part_path, _parse_digest(expected), size, settings, rate_limit)
    try:
        return transfer.run(urls)
    finally:
        transfer.part.close()


def _parse_digest(expected: str) -> tuple[str, str]:
    """Algorithm and hexadecimal digits; two empty strings if nothing is expected."""
    if not expected:
        return "", ""
    algorithm, _colon, digits = expected.lower().partition(":")
    lengths = {"sha256": 64, "sha512": 128}
    if len(digits) != lengths.get(algorithm) or not set(digits) <= set("0123456789abcdef"):
        way_out = "Write sha256:<64 hex digits> or sha512:<128 hex digits>"
        raise BadRequestError(f"{expected!r} is not a digest", way_out)
    return algorithm, digits


class _Transfer:
    def __init__(
        self,
        host: Host,
        part_path: str,
        expected: tuple[str, str],
        size: int | None,
        settings: Settings,
        rate_limit: int | None,
    ) -> None:
        self.host = host
        self.algorithm, self.digits = expected
        self.expected = f"{self.algorithm}:{self.digits}" if self.algorithm else ""
        self.size = size
        self.noted_size: int | None = None
        """What an earlier run learned of the size."""
        self.settings = settings
        self.bucket = TokenBucket(rate_limit) if rate_limit else None
        self.part = PartFile(part_path, ["sha256", *filter(None, [self.algorithm])])
        self.began = time.monotonic()
        self.received = 0
        self.connections = 0
        self.resumed_from = self._usable_prefix()
        self.origins: set[str] = {""} if self.resumed_from else set()
        """The URLs of what is in the part; the empty string stands for an earlier run."""

    def _usable_prefix(self) -> int:
        """How many bytes of the part may be used; throws away a part that belongs to another file."""
        note = load_sidecar(self.part.path)
        if note is None:
            usable = bool(self.expected)
        else:
            usable = note.expected == self.expected and self._may_go_on(note.validators)
        if self.part.length and (not usable or (self.size is not None and self.part.length > self.size)):
            self.part.restart()
        elif note is not None:
            self.noted_size = note.size
        return self.part.length

    def run(self, urls: Sequence[str]) -> Transferred:
        causes: list[GoldsmithError] = []
        for url in urls:
            try:
                return self._fetch_and_check(url)
            except (TransferError, VerificationError) as error:
                causes.append(error)
        raise self._failure(causes)

    def _failure(self, causes: list[GoldsmithError]) -> GoldsmithError:
        if len(causes) == 1 and isinstance(causes[0], VerificationError):
            self.part.remove()
            return causes[0]
        told = "; ".join(cause.cause for cause in causes)
        if self.part.length == 0:
            self.part.remove()
            way_out = "Check the URLs and the network, and run again"
        else:
            kept = format_size(self.part.length)
            way_out = f"{kept} are kept in {self.part.path}: run again to go on from there"
        if any(isinstance(cause, VerificationError) for cause in causes):
            return VerificationError(f"no mirror delivered the right file: {told}", way_out)
        many = f"none of the {len(causes)} mirrors delivered the file: " if len(causes) > 1 else ""
        return TransferError(many + told, way_out)

    def _fetch_and_check(self, url: str) -> Transferred:
        self._fetch(url)
        digests = self.part.finish()
        if self._wrong(digests) and self.origins != {url}:
            self._restart()
            self._fetch(url)
            digests = self.part.finish()
        if self._wrong(digests):
            size = self.part.length
            self._restart()
            raise VerificationError(
                f"{url} delivered {size} bytes with the digest {self.algorithm}:{digests[self.algorithm]}, "
                f"expected was {self.algorithm}:{self.digits}",
                "The bytes were thrown away. If the publisher has replaced the file, update what you expect of it; "
                "if not, the mirror or the connection is not to be trusted: use another one",
            )
        remove_sidecar(self.part.path)
        return Transferred(
            digest="sha256:" + digests["sha256"],
            size=self.part.length,
            bytes=self.received,
            seconds=round(time.monotonic() - self.began, 3),
            resumed_from=self.resumed_from,
            connections=self.connections,
            url=url,
        )

    def _wrong(self, digests: dict[str, str]) -> bool:
        return bool(self.algorithm) and digests[self.algorithm] != self.digits

    def _restart(self) -> None:
        self.part.restart()
        self.resumed_from = 0
        self.origins = set()

    def _fetch(self, url: str) -> None:
        """Bring the part to its full length from ``url``. Raises TransferError or StoreError."""
        changes = restarts = 0
        connections = self.settings.connections
        while True:
            try:
                return self._go_on(url, connections)
            except FileChangedError:
                changes += 1
                if changes > 1:
                    raise TransferError(f"{url} changed on the server again and again while it was fetched") from None
            except RangesIgnoredError:
                restarts += 1
                if restarts > self.settings.retries:
                    raise TransferError(
                        f"the connection to {url} broke {restarts} times, and the server cannot go on where it broke"
                    ) from None
            # One connection at a time does not meet two servers behind one name that disagree.
            connections = 1
            self._restart()

    def _go_on(self, url: str, connections: int) -> None:
        """Fetch what is missing. Raises FileChangedError or RangesIgnoredError when the part cannot be gone on with."""
        if self.algorithm and self.part.length and self.part.length in (self.size, self.noted_size):
            return
        answer = self._first_answer(url, connections)
        total = answer.total if answer.total is not None else self.size
        try:
            self._accept(url, answer, total)
        except GoldsmithError:
            answer.response.close()
            raise
        if total == self.part.length:
            answer.response.close()
            return
        resumable = self._may_go_on(answer.validators)
        chunk_size = self.settings.chunk_size if answer.partial and resumable and connections > 1 else None
        window = Window(self.part.length, total, chunk_size, share=2 * self.settings.chunk_size)
        version = Version(url, total, answer.validators, answer.partial, resumable)
        settings = dataclasses.replace(self.settings, connections=connections)
        workers = Connections(self.host, version, window, settings, self.bucket)
        workers.start(answer)
        try:
            while pieces := window.take():
                self.origins.add(url)
                self.part.append(pieces, None if total is None else total - self.part.length)
        finally:
            window.stop()
            self.received += window.received
            self.connections = max(self.connections, workers.used)

    def _may_go_on(self, validators: Validators) -> bool:
        """Whether bytes of several answers may be put together: a digest or a strong ETag tells if they fit."""
        return bool(self.algorithm) or validators.strong

    def _first_answer(self, url: str, connections: int) -> Answer:
        """Ask for what follows the part, or for the whole file if the server has another version of it."""
        patience = Patience(self.settings.retries, self.settings.first_pause)
        note = load_sidecar(self.part.path)
        known = None
        if note is not None and note.url == url:
            known = Version(url, note.size, note.validators, ranged=True, resumable=True)
        elif not self.algorithm and self.part.length:
            self._restart()
        ranged = connections > 1
        while True:
            begin = self.part.length
            if_range = known.validators.if_range if known is not None and begin else ""
            try:
                answer = ask(self.host, url, begin, ranged=ranged or begin > 0, if_range=if_range)
            except TransferError as error:
                if isinstance(error, HttpStatusError) and error.status == 416 and (begin or ranged):
                    self._restart()
                    ranged = False
                    continue
                pause = patience.pause_after(error)
                if pause is None:
                    raise
                time.sleep(pause)
                continue
            if begin and not answer.partial:
                self._restart()
            changed = begin and known is not None and known.contradicts(answer)
            if answer.partial and begin and (changed or not self._may_go_on(answer.validators)):
                answer.response.close()
                self._restart()
                continue
            return answer

    def _accept(self, url: str, answer: Answer, total: int | None) -> None:
        """Check what the server offers, and the room for it, before the first byte is written."""
        if total is None and (answer.partial or not self.algorithm):
            raise TransferError(
                f"{url} does not tell how long the file is, and without a digest a cut would not be noticed"
            )
        if self.size is not None and total != self.size:
            raise TransferError(f"{url} offers {total} bytes, expected were {self.size}")
        if total is not None:
            require_space(self.part.path, total - self.part.length)
        validators = answer.validators
        with disk_errors_named(self.part.path):
            save_sidecar(self.part.path, Sidecar(url, validators.etag, validators.last_modified, self.expected, total))
