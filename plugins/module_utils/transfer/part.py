# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part file: written in order only, so that its length says how much of the whole is there, also after a kill."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Iterable, Sequence

from .sidecar import remove_sidecar
from .space import disk_errors_named

_READ = 1024 * 1024
_QUEUED_BATCHES = 8


class PartFile:
    """Appends to ``path`` and computes digests of the whole, each in a thread of its own.

    What an earlier run left is read once for that, while the rest is fetched.
    """

    def __init__(self, path: str, algorithms: Iterable[str]) -> None:
        self.path = path
        self._algorithms = tuple(dict.fromkeys(algorithms))
        self._digesters: list[_Digester] = []
        with disk_errors_named(path):
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self.length = os.fstat(self._fd).st_size

    def append(self, pieces: Sequence[bytes], remaining: int | None) -> None:
        """Write ``pieces`` at the end. ``remaining`` are the bytes that are missing, these included, if known.

        Raises StoreError when the disk is full; what was written until then stays and counts.
        """
        self._start_digesters()
        for digester in self._digesters:
            digester.add(pieces)
        rest = [memoryview(piece) for piece in pieces]
        with disk_errors_named(self.path, remaining):
            while rest:
                written = os.writev(self._fd, rest)
                self.length += written
                while rest and written >= len(rest[0]):
                    written -= len(rest.pop(0))
                if rest:
                    rest[0] = rest[0][written:]

    def finish(self) -> dict[str, str]:
        """Bring the file to the disk; hexadecimal digests by algorithm."""
        self._start_digesters()
        with disk_errors_named(self.path):
            os.fsync(self._fd)
            return {digester.algorithm: digester.finish() for digester in self._digesters}

    def restart(self) -> None:
        """Throw away what is there, and the note beside it."""
        self._stop_digesters()
        remove_sidecar(self.path)
        os.ftruncate(self._fd, 0)
        self.length = 0

    def remove(self) -> None:
        """Delete the file and the note beside it."""
        self.close()
        remove_sidecar(self.path)
        os.unlink(self.path)

    def close(self) -> None:
        self._stop_digesters()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _start_digesters(self) -> None:
        if not self._digesters:
            self._digesters = [_Digester(name, self.path, self.length) for name in self._algorithms]

    def _stop_digesters(self) -> None:
        for digester in self._digesters:
            digester.cancel()
        self._digesters = []


class _Digester:
    """Hashes the first ``prefix`` bytes of a file, and then what it is given."""

    def __init__(self, algorithm: str, path: str, prefix: int) -> None:
        self.algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self._batches: queue.Queue[Sequence[bytes] | None] = queue.Queue(_QUEUED_BATCHES)
        self._cancelled = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(path, prefix), daemon=True)
        self._thread.start()

    def add(self, pieces: Sequence[bytes]) -> None:
        self._batches.put(pieces)

    def finish(self) -> str:
        self._batches.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._hash.hexdigest()

    def cancel(self) -> None:
        self._cancelled = True
        self._batches.put(None)
        self._thread.join()

    def _run(self, path: str, prefix: int) -> None:
        try:
            self._read_prefix(path, prefix)
        except OSError as error:
            self._failure = error
        while True:
            pieces = self._batches.get()
            if pieces is None:
                return
            if not self._cancelled:
                for piece in pieces:
                    self._hash.update(piece)

    def _read_prefix(self, path: str, prefix: int) -> None:
        if not prefix:
            return
        with open(path, "rb", buffering=0) as file:
            while prefix and not self._cancelled:
                data = file.read(min(_READ, prefix))
                if not data:
                    raise OSError(f"{path} became shorter while it was read")
                self._hash.update(data)
                prefix -= len(data)
