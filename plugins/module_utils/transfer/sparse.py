# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file written with holes where its blocks are zero, and its digest."""

from __future__ import annotations

import hashlib
import os

from .space import disk_errors_named

_BLOCK = 64 * 1024
_ZEROS = bytes(_BLOCK)


class SparseFile:
    """Writes ``path`` from its beginning; what was there is replaced. A link in its place is refused."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._sha256 = hashlib.sha256()
        self.size = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with disk_errors_named(path):
            self._fd = os.open(path, flags, 0o600)

    def write(self, data: bytes) -> None:
        """Append ``data``. Raises StoreError."""
        self._sha256.update(data)
        view = memoryview(data)
        with disk_errors_named(self._path):
            for begin in range(0, len(view), _BLOCK):
                block = view[begin : begin + _BLOCK]
                if block != _ZEROS[: len(block)]:
                    self._write_block(block)
                self.size += len(block)

    def _write_block(self, block: memoryview) -> None:
        done = 0
        while done < len(block):
            done += os.pwrite(self._fd, block[done:], self.size + done)

    def tail(self, amount: int) -> bytes:
        """The last bytes that were written."""
        with disk_errors_named(self._path):
            os.ftruncate(self._fd, self.size)
            return os.pread(self._fd, amount, max(0, self.size - amount))

    def finish(self) -> str:
        """Bring the file to the disk; ``sha256:<hex>`` of it."""
        with disk_errors_named(self._path):
            os.ftruncate(self._fd, self.size)
            os.fsync(self._fd)
        return "sha256:" + self._sha256.hexdigest()

    def close(self) -> None:
        os.close(self._fd)
