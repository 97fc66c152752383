# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published golden images: their names, their records, the link to the current one.

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

from ..common.errors import BadRequestError, StoreError
from ..common.file_attributes import Attributes
from .digests import digest_of, remember_digest
from .files import identity_of, publish_link, read_record, refusal, sync_directory, sync_file, write_json
from .layout import Layout, hex_of, name_of
from .references import register_golden

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_MODE = 0o444
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
        """Where the image of a fingerprint is published."""
        tidy = re.sub(r"[^A-Za-z0-9.+-]", "-", serial)
        return os.path.join(self.directory, f"{self.name}-{tidy}-{hex_of(fingerprint)[:8]}.qcow2")

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

    def publish(self, layout: Layout, temporary: str, path: str, record: Mapping[str, t.Any]) -> None:
        """Give the finished image its name, and the record its place beside it; point the link to it.

        The record comes first: an image without one would be nobody's, a record without an image is only overwritten.
        """
        try:
            os.chmod(temporary, _MODE)
            sync_file(temporary)
            if os.path.lexists(path):
                raise _published_meanwhile(path)
            for leftover in _leftovers(os.path.join(self.directory, f".{os.path.basename(record_path(path))}.")):
                _unlink(leftover)
            write_json(record_path(path), record)
            try:
                register_golden(
                    layout, record_path=record_path(path), image_path=path, base_digest=record["base"]["digest"]
                )
                remember_digest(layout, path, record["image"]["digest"], identity_of(temporary))
                _give_name(temporary, path)
            except BaseException:
                os.unlink(record_path(path))
                raise
            self.point_to(path)
        except OSError as error:
            raise refusal(path, error) from error

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


def record_path(path: str) -> str:
    """Where the build record of the image at ``path`` is."""
    return f"{path}.json"


def read_build_record(path: str) -> dict[str, t.Any] | None:
    """The build record of the image at ``path``, or None where there is none; raises StoreError for a damaged one."""
    return read_record(record_path(path), _with_all_that_is_used)


def _with_all_that_is_used(record: dict[str, t.Any]) -> dict[str, t.Any]:
    """The record; raises KeyError or TypeError where a part is missing or another thing."""
    parts = (("base", "digest"), ("recipe", "steps"), ("image", "digest"), ("packages", "added"))
    return {**record, **{part: {**record[part], key: record[part][key]} for part, key in parts}}


def published_record(layout: Layout, path: str, fingerprint: str, *, remember: bool) -> dict[str, t.Any] | None:
    """The build record of the whole image at ``path``, or None where there is no image.

    Raises StoreError when there is another file than the record describes. The file is read only if it is not the one
    that was published here, or has been touched; ``remember`` says whether its digest may be recorded then.
    """
    if not os.path.lexists(path):
        return None
    record = read_build_record(path) if os.path.exists(path) else None
    if record is None or record.get("fingerprint") != fingerprint:
        raise StoreError(
            f"{path} is there, but {record_path(path)} does not say that it was built by this recipe",
            "Published images are never overwritten: move it away if no guest uses it, or choose another name",
        )
    found = digest_of(layout, path, remember=remember)
    if found != record["image"]["digest"]:
        raise StoreError(
            f"{path} was changed after it was published: its digest was {record['image']['digest']} and is now {found}",
            "Find out whether a guest uses it as its disk, and move it away; the next run builds it anew",
        )
    return record
