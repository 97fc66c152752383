# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections that fill a window from one URL."""

from __future__ import annotations

import threading
import time
import typing as t
from collections.abc import Callable
from dataclasses import dataclass

from ..common.errors import HttpStatusError, TransferError, UnreachableError
from ..common.host import Host, Response
from ..common.low_speed import LowSpeed
from .bucket import TokenBucket
from .patience import Patience
from .request import Answer, Version
from .window import Chunk, Window

_READ = 256 * 1024

_FAST = 100 * 1024 * 1024
"""Bytes per second that one connection has to bring to be left alone: then the disk and the digest are the limit, or
the network itself, and each further request only costs (Ansible's client reads all CA certificates for each)."""

_LOOK_EVERY = 0.25


@dataclass(frozen=True)
class Settings:
    """How to transfer; the meaning of each is told at :func:`.download.download`."""

    connections: int
    chunk_size: int
    retries: int
    first_pause: float
    low_speed_limit: int
    low_speed_time: float


class Connections:
    """Threads that each claim a chunk, fetch it, and claim the next.

    The first one goes on through one chunk after the other while it is alone, without asking again.
    A connection that fails gives its chunk back with what it got. It leaves when its patience is over, or at once when
    the server turned it away while others are served; the last one to leave takes the transfer with it.
    """

    def __init__(
        self, host: Host, version: Version, window: Window, settings: Settings, bucket: TokenBucket | None
    ) -> None:
        self._host = host
        self._version = version
        self._window = window
        self._settings = settings
        self._bucket = bucket
        self._read_size = _READ if bucket is None else max(1, min(_READ, bucket.rate // 20))
        self._served: set[int] = set()

    @property
    def used(self) -> int:
        """How many connections at once brought something."""
        return len(self._served)

    def start(self, first: Answer) -> None:
        """Begin with the answer ``first``. The other connections join as soon as this one turns out to be slow."""
        self._window.enter()
        self._begin_thread(self._work, 0, first)
        if self._settings.connections > 1 and self._window.unclaimed > 1:
            self._begin_thread(self._join_when_slow)

    def _begin_thread(self, target: Callable[..., None], *arguments: t.Any) -> None:
        threading.Thread(target=target, args=arguments, daemon=True).start()

    def _join_when_slow(self) -> None:
        received = 0
        while self._window.pause(_LOOK_EVERY):
            received, before = self._window.received, received
            if received - before < _FAST * _LOOK_EVERY:
                break
        for number in range(1, min(self._settings.connections, 1 + self._window.unclaimed)):
            self._window.enter()
            self._begin_thread(self._work, number)

    def _work(self, number: int, answer: Answer | None = None) -> None:
        """Fill chunks until there are no more, first of all with the bytes of an open ``answer``."""
        patience = Patience(self._settings.retries, self._settings.first_pause)
        position = answer.begin if answer is not None else 0
        try:
            while True:
                chunk = self._window.claim()
                if answer is not None and (chunk is None or chunk.position != position or position == answer.end):
                    answer.response.close()
                    answer = None
                if chunk is None:
                    return
                try:
                    answer = answer or self._version.ask(self._host, chunk.position, chunk.end)
                    self._fill(number, chunk, answer.response, patience)
                    position = chunk.position
                except TransferError as error:
                    if answer is not None:
                        answer.response.close()
                        answer = None
                    self._window.give_back(chunk)
                    if self._gives_up(error, patience):
                        return
        except Exception as error:  # a bug, or a changed file: the thread that waits for the bytes raises it
            self._window.fail(error)

    def _gives_up(self, error: TransferError, patience: Patience) -> bool:
        pause = patience.pause_after(error)
        if pause is None:
            self._window.leave(error)
            return True
        if isinstance(error, HttpStatusError) and self._window.leave_to_others(error):
            return True
        return not self._window.pause(pause)

    def _fill(self, number: int, chunk: Chunk, response: Response, patience: Patience) -> None:
        """Fetch what is missing of a chunk. Raises TransferError."""
        speed = LowSpeed(self._settings.low_speed_limit, self._settings.low_speed_time)
        while chunk.end is None or chunk.position < chunk.end:
            missing = self._read_size if chunk.end is None else chunk.end - chunk.position
            began = time.monotonic()
            piece = response.read(min(self._read_size, missing))
            if not piece:
                if chunk.end is None:
                    break
                told = f"at byte {chunk.position} of {self._version.total}"
                raise UnreachableError(f"the connection to {self._version.url} ended {told}")
            speed.passed(len(piece), time.monotonic() - began, self._version.url)
            if not self._pass(chunk, piece):
                return
            self._served.add(number)
            patience.reward()
        self._window.complete(chunk)

    def _pass(self, chunk: Chunk, piece: bytes) -> bool:
        if self._bucket is not None:
            wait = self._bucket.reserve(len(piece))
            if wait and not self._window.pause(wait):
                return False
        return self._window.put(chunk, piece)
