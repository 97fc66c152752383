# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie in a store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager

from .files import refusal
from .locks import is_locked, lock, try_lock

DEFAULT_ROOT = "/var/lib/goldsmith"


class Layout:
    """The directories of the store at ``root``.

    ``images`` verified images by digest, ``payloads`` files that steps put into images, by digest,
    ``layers`` overlays of builds, ``logs`` what builds printed that failed, ``records`` what is known of all these,
    ``locks`` who works on what.
    """

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        self.root = os.path.abspath(root)
        self.images = os.path.join(self.root, "images")
        self.payloads = os.path.join(self.root, "payloads")
        self.layers = os.path.join(self.root, "layers")
        self.logs = os.path.join(self.root, "logs")
        self.records = os.path.join(self.root, "records")
        self.locks = os.path.join(self.root, "locks")

    def ensure(self) -> None:
        """Make the directories that are missing. What may hold secrets only its owner enters."""
        try:
            for directory in (self.root, self.images, self.records, self.locks):
                os.makedirs(directory, mode=0o755, exist_ok=True)
            for directory in (self.payloads, self.layers, self.logs):
                os.makedirs(directory, mode=0o700, exist_ok=True)
        except OSError as error:
            raise refusal(error.filename or self.root, error) from error

    def image(self, digest: str) -> str:
        """Path of the image with this ``sha256:…`` digest."""
        return os.path.join(self.images, f"{hex_of(digest)}.img")

    def payload(self, digest: str) -> str:
        """Path of the payload with this ``sha256:…`` digest."""
        return os.path.join(self.payloads, hex_of(digest))

    def log(self, name: str, lock_name: str, ending: str = "log") -> str:
        """Path of what the last build of a golden image printed, if it failed; other endings: what else tells."""
        return os.path.join(self.logs, f"{name}-{name_of(lock_name)[:8]}.{ending}")

    def record_path(self, kind: str, name: str) -> str:
        """Path of a record, to be read; ``kind`` is a directory below ``records``."""
        return os.path.join(self.records, kind, f"{name}.json")

    def record(self, kind: str, name: str) -> str:
        """Path of a record, to be written: its directory is made when it is missing."""
        path = self.record_path(kind, name)
        try:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        except OSError as error:
            raise refusal(os.path.dirname(path), error) from error
        return path

    def records_of(self, kind: str) -> list[str]:
        """Paths of all records of a kind, sorted; none where the store has none, or does not exist yet."""
        directory = os.path.join(self.records, kind)
        try:
            names = os.listdir(directory)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise refusal(directory, error) from error
        return sorted(os.path.join(directory, name) for name in names if name.endswith(".json") and name[0] != ".")

    def lock(self, name: str, *, on_wait: Callable[[], None] | None = None) -> AbstractContextManager[None]:
        """Lock something by name, such as ``golden:/srv/golden/noble``; waits for whoever holds it."""
        return lock(self._lock_path(name), on_wait=on_wait)

    def try_lock(self, name: str) -> AbstractContextManager[bool]:
        """As :meth:`lock`, but yields False where somebody holds it."""
        return try_lock(self._lock_path(name))

    def is_locked(self, name: str) -> bool:
        """Whether somebody holds the lock; writes nothing."""
        return is_locked(self._lock_path(name))

    def _lock_path(self, name: str) -> str:
        return os.path.join(self.locks, f"{name_of(name)}.lock")


def hex_of(digest: str) -> str:
    """The hexadecimal part of ``sha256:…``."""
    return digest.partition(":")[2]


def name_of(text: str) -> str:
    """A file name for any text: short, and different for different texts."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
