# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stretch of a file that is under way: filled by several threads, emptied in order by one."""

from __future__ import annotations

import threading
from collections import deque

from .ranges import chunk_end

_BATCH_BYTES = 1024 * 1024
_BATCH_PIECES = 256


class Chunk:
    """One extent of the file. ``position`` is where its next byte belongs; ``end`` is None if the length is unknown."""

    def __init__(self, begin: int, end: int | None) -> None:
        self.position = begin
        self.end = end
        self.pieces: deque[bytes] = deque()
        self.held = 0
        """Bytes in ``pieces``."""
        self.complete = False


class Window:
    """Chunks of ``begin`` to ``total`` in order, and no more than ``share`` bytes of memory for each worker.

    Without ``chunk_size`` everything is one chunk, for a server that sends the file in one piece.
    """

    def __init__(self, begin: int, total: int | None, chunk_size: int | None, share: int) -> None:
        self._changed = threading.Condition()
        self._total = total
        self._chunk_size = chunk_size
        self._share = share
        self._chunks: deque[Chunk] = deque()
        self._given_back: list[Chunk] = []
        self._claimed_to = begin
        self._taken_to = begin
        self._all_claimed = begin == total
        self._workers = 0
        self._busy = 0
        """How many workers hold a chunk."""
        self._failure: BaseException | None = None
        self._stopped = False
        self.received = 0
        """Bytes that came in, whether or not they were taken."""

    def enter(self) -> None:
        """A worker begins."""
        with self._changed:
            self._workers += 1
            self._changed.notify_all()

    @property
    def unclaimed(self) -> int:
        """How many chunks nobody has begun."""
        if self._all_claimed or self._chunk_size is None or self._total is None:
            return 0
        return -(-(self._total - self._claimed_to) // self._chunk_size)

    def claim(self) -> Chunk | None:
        """The next chunk to fill; waits while the window is full. None when there is no more to do."""
        with self._changed:
            while not self._stopped:
                if self._given_back:
                    self._given_back.sort(key=lambda chunk: chunk.position)
                    self._busy += 1
                    return self._given_back.pop(0)
                if self._all_claimed and all(chunk.complete for chunk in self._chunks):
                    return None
                if not self._all_claimed and self._claimed_to - self._taken_to < self._capacity():
                    self._busy += 1
                    return self._next_chunk()
                self._changed.wait()
            return None

    def _capacity(self) -> int:
        return self._share * self._workers

    def _next_chunk(self) -> Chunk:
        if self._chunk_size is None or self._total is None:
            chunk = Chunk(self._claimed_to, self._total)
            self._all_claimed = True
        else:
            chunk = Chunk(self._claimed_to, chunk_end(self._claimed_to, self._chunk_size, self._total))
            self._claimed_to = chunk.end or 0
            self._all_claimed = self._claimed_to >= self._total
        self._chunks.append(chunk)
        return chunk

    def put(self, chunk: Chunk, piece: bytes) -> bool:
        """Add the next bytes of a chunk; waits while it holds too many. False if they are wanted no longer."""
        with self._changed:
            while chunk.held >= self._capacity() and not self._stopped:
                self._changed.wait()
            if self._stopped:
                return False
            chunk.pieces.append(piece)
            chunk.held += len(piece)
            chunk.position += len(piece)
            self.received += len(piece)
            if chunk is self._chunks[0]:
                self._changed.notify_all()
            return True

    def complete(self, chunk: Chunk) -> None:
        with self._changed:
            self._busy -= 1
            chunk.complete = True
            self._changed.notify_all()

    def give_back(self, chunk: Chunk) -> None:
        """The worker could not fill the chunk; another attempt goes on at its position."""
        with self._changed:
            self._busy -= 1
            self._given_back.append(chunk)
            self._changed.notify_all()

    def leave(self, error: BaseException) -> None:
        """A worker gives up. When the last one does, the transfer fails with its error."""
        with self._changed:
            self._leave(error)

    def leave_to_others(self, error: BaseException) -> bool:
        """A worker gives up if others are at work; otherwise False."""
        with self._changed:
            if self._busy:
                self._leave(error)
            return self._busy > 0

    def _leave(self, error: BaseException) -> None:
        self._workers -= 1
        if self._workers == 0:
            self._fail(error)

    def fail(self, error: BaseException) -> None:
        """The transfer cannot go on."""
        with self._changed:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self._stopped = True
        self._changed.notify_all()

    def stop(self) -> None:
        """Nothing is wanted any longer."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def pause(self, seconds: float) -> bool:
        """Wait; False if the transfer was stopped meanwhile."""
        with self._changed:
            return not self._changed.wait_for(lambda: self._stopped, seconds)

    def take(self) -> list[bytes]:
        """The next bytes in order, as soon as there are some; an empty list at the end. Raises what made it fail."""
        with self._changed:
            while True:
                while self._chunks and self._chunks[0].complete and not self._chunks[0].pieces:
                    self._chunks.popleft()
                if self._chunks and self._chunks[0].pieces:
                    return self._take_from(self._chunks[0])
                if self._failure is not None:
                    raise self._failure
                if self._all_claimed and not self._chunks:
                    return []
                self._changed.wait()

    def _take_from(self, chunk: Chunk) -> list[bytes]:
        batch: list[bytes] = []
        amount = 0
        while chunk.pieces and amount < _BATCH_BYTES and len(batch) < _BATCH_PIECES:
            piece = chunk.pieces.popleft()
            batch.append(piece)
            amount += len(piece)
        chunk.held -= amount
        self._taken_to += amount
        self._changed.notify_all()
        return batch
