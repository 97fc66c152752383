# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishing golden images: their names, and the link to the current one.

A published file never changes: a guest's overlay may be backed by it.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
import typing as t
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from ..common.errors import BadRequestError, StoreError
from ..common.file_attributes import Attributes
from .digests import remember_digest
from .files import (
    identity_of,
    publish_link,
    read_record,
    refusal,
    remove_file,
    sync_directory,
    sync_file,
    write_json,
    write_text,
)
from .layout import Layout, hex_of, name_of
from .published import log_path, read_build_record, record_path
from .references import register_golden

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_MODE = 0o444
_SUFFIX = ".qcow2"
_STAMP = "%Y%m%dt%H%M%Sz"
_STAMPED = r"(?:-[0-9]{8}t[0-9]{6}z)?"
"""What the name of a further image of a fingerprint has: when it was built, in UTC."""
_LONGEST_NAME = 128
"""A file system takes 255 bytes; serial, fingerprint, endings and the temporary name of a record add to it."""


class Golden:
    """The golden images of one name in one directory."""

    def __init__(self, directory: str, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise BadRequestError(
                f"name is no good beginning of a file name: {name!r}", "Use letters, digits, `.`, `_`, `+` and `-`"
            )
        if len(name) > _LONGEST_NAME:
            raise BadRequestError(
                f"name is {len(name)} characters long, too many for a file name with serial and fingerprint",
                f"Use {_LONGEST_NAME} at the most",
            )
        self.directory = os.path.abspath(directory)
        self.name = name
        self.link = os.path.join(self.directory, f"{name}.qcow2")
        """The path that leads to the current image."""
        self.lock_name = f"golden:{os.path.realpath(self.directory)}/{name}"
        """The same by whatever way the directory is reached."""

    def path(self, serial: str, fingerprint: str) -> str:
        """Where the first image of a fingerprint is published."""
        tidy = re.sub(r"[^A-Za-z0-9.+-]", "-", serial)
        return os.path.join(self.directory, f"{self.name}-{tidy}-{hex_of(fingerprint)[:8]}{_SUFFIX}")

    def rebuilt_path(self, path: str, moment: datetime) -> str:
        """Where a further image is published whose first one is at ``path``; no such file is there."""
        while True:
            further = f"{path[: -len(_SUFFIX)]}-{moment.strftime(_STAMP)}{_SUFFIX}"
            if not os.path.lexists(further):
                return further
            moment += timedelta(seconds=1)

    def images(self, path: str) -> list[str]:
        """Every image of the fingerprint whose first one is, or was, at ``path``; sorted."""
        pattern = re.compile(rf"{re.escape(os.path.basename(path)[: -len(_SUFFIX)])}{_STAMPED}{re.escape(_SUFFIX)}")
        return sorted(os.path.join(self.directory, name) for name in self._names() if pattern.fullmatch(name))

    def images_of_other_serials(self, path: str, fingerprint: str) -> list[str]:
        """Every image of the fingerprint that is not among :meth:`images`; sorted.

        A recipe may be the same in several names, of which one may begin with another: records tell them apart.
        """
        pattern = re.compile(
            rf"{re.escape(self.name)}-[A-Za-z0-9.+-]+-{hex_of(fingerprint)[:8]}{_STAMPED}{re.escape(_SUFFIX)}"
        )
        known = self.images(path)
        others = (os.path.join(self.directory, name) for name in self._names() if pattern.fullmatch(name))
        return sorted(other for other in others if other not in known and self._is_own(other, fingerprint))

    def _is_own(self, path: str, fingerprint: str) -> bool:
        try:
            record = read_build_record(path)
        except StoreError:
            return False
        return record is not None and (record.get("name"), record.get("fingerprint")) == (self.name, fingerprint)

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.directory)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise refusal(self.directory, error) from error

    def current(self) -> str | None:
        """The path that the link leads to, or None; raises StoreError when something else has the link's name."""
        try:
            return os.path.join(self.directory, os.readlink(self.link))
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise refusal(self.link, error) from error
            raise StoreError(
                f"{self.link} is not a link, so that it cannot be pointed to the new image",
                "Choose another name, or move that file away if no guest uses it",
            ) from error

    def require_directory(self, layout: Layout, attributes: Attributes) -> None:
        """Make the directory where it is missing, and find out before the build whether it takes such a file."""
        try:
            os.makedirs(self.directory, mode=0o755, exist_ok=True)
            with self.temporary(layout) as path:
                with open(path, "xb"):
                    pass
                attributes.apply(path, {"before": {}, "after": {}})
        except OSError as error:
            raise refusal(self.directory, error) from error

    @contextlib.contextmanager
    def temporary(self, layout: Layout) -> Iterator[str]:
        """Path for the unfinished image, on the same file system; what is there in the end is removed.

        There is one for each name and store: whoever builds holds the lock of the name, which is the store's.
        """
        store = name_of(os.path.realpath(layout.root))[:8]
        path = os.path.join(self.directory, f".{self.name}.qcow2.{store}.tmp")
        _unlink(path)
        try:
            yield path
        finally:
            _unlink(path)

    def publish(
        self, layout: Layout, temporary: str, path: str, record: Mapping[str, t.Any], log: str, attributes: Attributes
    ) -> None:
        """Give the finished image its name, record and log their places beside it; point the link to it.

        The record comes first: an image without one would be nobody's, a record without an image is only overwritten.
        """
        try:
            os.chmod(temporary, _MODE)
            sync_file(temporary)
            if os.path.lexists(path):
                raise _published_meanwhile(path)
            self._forget_interrupted(layout)
            write_json(self._journal(layout), {"image_path": path})
            try:
                write_text(log_path(path), log)
                attributes.apply(log_path(path), {"before": {}, "after": {}})
                write_json(record_path(path), record)
                register_golden(
                    layout, record_path=record_path(path), image_path=path, base_digest=record["base"]["digest"]
                )
                remember_digest(layout, path, record["image"]["digest"], identity_of(temporary))
                _give_name(temporary, path)
            except BaseException:
                # Beside an image of that name, which a run with another store has just published, they stay.
                if not os.path.lexists(path):
                    _unlink(record_path(path))
                    _unlink(log_path(path))
                raise
            self.point_to(path)
            remove_file(self._journal(layout))
        except OSError as error:
            raise refusal(path, error) from error

    def _journal(self, layout: Layout) -> str:
        """Says which image is being published; whoever writes it holds the lock of the name."""
        return layout.record("publishing", name_of(self.lock_name))

    def _forget_interrupted(self, layout: Layout) -> None:
        """Remove what a run that was killed has left of an image that it was about to publish."""
        path = read_record(self._journal(layout), lambda journal: str(journal["image_path"]))
        for beside in () if path is None else (record_path(path), log_path(path)):
            for leftover in _leftovers(os.path.join(self.directory, f".{os.path.basename(beside)}.")):
                _unlink(leftover)
            if not os.path.lexists(path or ""):
                _unlink(beside)

    def point_to(self, path: str) -> None:
        """Make ``path`` the current image."""
        try:
            for leftover in _leftovers(f"{self.link}."):
                if os.path.islink(leftover):
                    _unlink(leftover)
            publish_link(os.path.basename(path), self.link)
        except OSError as error:
            raise refusal(self.link, error) from error


def _give_name(temporary: str, path: str) -> None:
    """Unlike a rename, a link never takes the place of a file that is there."""
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise _published_meanwhile(path) from error
    os.unlink(temporary)
    sync_directory(os.path.dirname(path))


def _published_meanwhile(path: str) -> StoreError:
    return StoreError(
        f"{path} was published during this build by a run with another store",
        "Run again, and it is found; let all builds for one directory use one store",
    )


def _leftovers(prefix: str) -> list[str]:
    """What a run that was killed has left of a file that is written at one stroke."""
    return glob.glob(f"{glob.escape(prefix)}*.tmp")


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
