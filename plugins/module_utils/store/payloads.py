# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that steps put into images, by digest, so that each travels to the target once."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import tempfile
from collections.abc import Iterable

from ..common.errors import StoreError, VerificationError
from .files import HASH_BLOCK, hash_file, publish, refusal, remove_file
from .layout import Layout


class Payloads:
    """The payloads of one store. They may hold secrets: only their owner reads them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def missing(self, digests: Iterable[str]) -> list[str]:
        """Which of these the store lacks, sorted, each once."""
        return sorted({digest for digest in digests if not os.path.exists(self._layout.payload(digest))})

    def adopt(self, path: str, digest: str) -> None:
        """Copy a file into the store; raises VerificationError when it is not what ``digest`` says."""
        dest = self._layout.payload(digest)
        with self._layout.lock("payloads"):
            self._remove_leftovers()
            self._copy(path, dest, digest)

    def _remove_leftovers(self) -> None:
        """Remove what runs that were killed have left; the caller holds the lock."""
        for path in glob.glob(os.path.join(glob.escape(self._layout.payloads), "*.tmp")):
            remove_file(path)

    def _copy(self, path: str, dest: str, digest: str) -> None:
        try:
            descriptor, temporary = tempfile.mkstemp(suffix=".tmp", dir=self._layout.payloads)
            try:
                with open(path, "rb") as source, os.fdopen(descriptor, "wb") as copy:
                    found = hashlib.sha256()
                    for block in iter(lambda: source.read(HASH_BLOCK), b""):
                        found.update(block)
                        copy.write(block)
                if f"sha256:{found.hexdigest()}" != digest:
                    # Without the digests: one of a short secret would give that away.
                    raise VerificationError(
                        "a file of the controller was changed while this task ran: what arrived is not what was found",
                        "Run the task again when the file is complete",
                    )
                publish(temporary, dest)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)
                raise
        except OSError as error:
            raise refusal(self._layout.payloads, error) from error

    def use(self, digest: str) -> str:
        """Path of a payload that the store has, which a build is about to use; StoreError when it is not whole."""
        path = self.path(digest)
        try:
            os.utime(path)
        except OSError as error:
            raise refusal(self._layout.payloads, error) from error
        return path

    def path(self, digest: str) -> str:
        """Path of a payload that the store has; raises StoreError when it is not whole."""
        path = self._layout.payload(digest)
        try:
            found = hash_file(path)
        except StoreError as error:
            raise self._unusable("cannot be read", "Let this user own all that is there") from error.__cause__
        if found != digest:
            remove_file(path)
            raise self._unusable("was damaged, and is removed", "Run the task again, which sends it once more")
        return path

    def _unusable(self, what: str, way_out: str) -> StoreError:
        """Without the file's name: the digest of a short secret would give that away."""
        return StoreError(f"a file of the controller, kept in {self._layout.payloads}, {what}", way_out)
