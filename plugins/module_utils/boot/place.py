# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory for one boot, with all that the boot makes, and no longer there than the boot.

``owner`` in it is locked (flock(2)) by the process that boots, ``alive`` by QEMU and its supervisor. Locks end with
those who hold them, however they end: a directory with neither held is abandoned.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator

from ..common.errors import StoreError
from ..common.host import Host

PREFIX = "boot-"

_GUARD = """\
exec setsid --fork flock --shared "$1/owner" \\
    sh -c '[ -e "$1/kept" ] || flock "$1/alive" rm -rf -- "$1"' sh "$1" </dev/null >/dev/null 2>&1
"""
"""Deletes the directory when its owner and what runs in it are gone. All that wait for the owner share its lock."""


class Place:
    """The directory and the names in it."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.owner = self.file("owner")
        self.alive = self.file("alive")
        self.kept = self.file("kept")
        """There where the guest is to outlive the process that booted it."""
        self.pid = self.file("pid")
        """Of the supervisor."""
        self.status = self.file("status")
        """QEMU's exit status."""
        self.guard = self.file("guard")
        self.supervisor = self.file("supervise")
        self.said = self.file("qemu.log")
        """What QEMU printed."""
        self.disk = self.file("disk.qcow2")
        self.seed = self.file("seed.iso")
        self.console = self.file("console.log")
        self.report = self.file("report")

    def file(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def is_alive(self) -> bool:
        """Whether QEMU or its supervisor runs."""
        return _is_held(self.alive)

    def is_abandoned(self) -> bool:
        return not _is_held(self.owner) and not self.is_alive()

    def remove(self) -> None:
        """Delete the directory; others may do so at the same time."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def read(self, path: str, most: int = -1) -> bytes:
        """What is in one of the files by now: the first ``most`` bytes, or all."""
        try:
            with open(path, "rb") as file:
                return file.read(most)
        except FileNotFoundError:
            return b""

    def write(self, path: str, text: str) -> None:
        """Write one of the files. Raises StoreError."""
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise refusal(path, error) from error


@contextlib.contextmanager
def claimed(host: Host, parent: str) -> Iterator[Place]:
    """Make a directory in ``parent``, for this user alone, and hold it; what was abandoned there is deleted.

    At the end it is deleted, also when this process is killed, unless the guest in it is to be kept. Raises StoreError.
    """
    for program in ("setsid", "flock"):
        host.require(program, "util-linux")
    try:
        with _held(parent, os.O_RDONLY | os.O_DIRECTORY):
            sweep(parent)
            place = Place(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            owner = os.open(place.owner, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(owner, fcntl.LOCK_EX)
    except OSError as error:
        raise refusal(error.filename or parent, error) from error
    try:
        place.write(place.guard, _GUARD)
        host.run(["sh", place.guard, place.directory]).checked()
        yield place
    finally:
        if not os.path.exists(place.kept):
            place.remove()
        os.close(owner)


def refusal(path: str, error: OSError) -> StoreError:
    """What to tell the user of an OSError at ``path``."""
    return StoreError(
        f"{path} cannot be written: {error.strerror or error}",
        "Use become, free some space, or choose another directory",
    )


def sweep(parent: str) -> None:
    """Delete the directories in ``parent`` of boots that nobody works on and in which nothing runs any more."""
    for name in os.listdir(parent):
        place = Place(os.path.join(parent, name))
        if name.startswith(PREFIX) and os.path.isdir(place.directory) and place.is_abandoned():
            place.remove()


@contextlib.contextmanager
def _held(path: str, flags: int) -> Iterator[None]:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_held(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
