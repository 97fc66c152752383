# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
import typing as t
from dataclasses import dataclass, fields

from ..common.errors import StoreError

HASH_BLOCK = 1024 * 1024


@dataclass(frozen=True)
class Identity:
    """What tells, without reading it, that a file is still the one that was hashed."""

    inode: int
    size: int
    mtime_ns: int


def identity_of(path: str) -> Identity | None:
    """The identity of a regular file, or None where there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return Identity(found.st_ino, found.st_size, found.st_mtime_ns)


def hash_file(path: str) -> str:
    """``sha256:<hex>`` of a file's content; StoreError where it cannot be read."""
    digest = hashlib.sha256()
    block = memoryview(bytearray(HASH_BLOCK))
    try:
        with open(path, "rb", buffering=0) as file:
            at = 0
            while True:
                # To read a hole takes longer than to hash its zeros, and most of a raw image is holes.
                data = _next_data(file.fileno(), at)
                for start in range(at, data, len(_ZEROS)):
                    digest.update(_ZEROS[: data - start])
                count = file.readinto(block[: _data_length(file.fileno(), data)])
                if not count:
                    break
                digest.update(block[:count])
                at = data + count
    except OSError as error:
        raise unreadable(path, error) from error
    return f"sha256:{digest.hexdigest()}"


_ZEROS = memoryview(bytes(HASH_BLOCK))


def _next_data(descriptor: int, at: int) -> int:
    """Where the next bytes from ``at`` on are that are no hole; the end of the file where there are none."""
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA)
    except OSError as error:
        # What knows no holes, as a file of /proc, has none.
        return max(at, os.fstat(descriptor).st_size) if error.errno == errno.ENXIO else at


def _data_length(descriptor: int, data: int) -> int:
    """How many bytes to read at ``data``, to which the file is set: up to the next hole, a block at the most."""
    try:
        length = os.lseek(descriptor, data, os.SEEK_HOLE) - data
    except OSError:
        length = HASH_BLOCK
    os.lseek(descriptor, data, os.SEEK_SET)
    return min(length, HASH_BLOCK) or HASH_BLOCK


def unreadable(path: str, error: OSError) -> StoreError:
    """What to tell the user of a file that cannot be read."""
    return StoreError(
        f"{path} cannot be read: {error.strerror or error}", "Use become, or give this user the right to read it"
    )


def sync_file(path: str) -> None:
    """Bring a file's content to the disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def sync_directory(path: str) -> None:
    """Bring a directory's names to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(temporary: str, path: str) -> None:
    """Give a finished file its name: content and name are on the disk, and no one sees half of it."""
    sync_file(temporary)
    os.replace(temporary, path)
    sync_directory(os.path.dirname(path))


def publish_link(target: str, path: str) -> None:
    """Point the symbolic link ``path`` to ``target``, replacing an older link at one stroke."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.replace(temporary, path)
    sync_directory(os.path.dirname(path))


def write_json(path: str, document: t.Mapping[str, t.Any], mode: int = 0o644) -> None:
    """Write a JSON document at one stroke."""
    write_text(path, json.dumps(document, indent=2, sort_keys=True) + "\n", mode)


def write_text(path: str, text: str, mode: int = 0o600) -> None:
    """Write a text file at one stroke."""
    directory = os.path.dirname(path)
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", suffix=".tmp", dir=directory)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                file.write(text)
                os.fchmod(file.fileno(), mode)
            publish(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise refusal(path, error) from error


def read_json(path: str) -> dict[str, t.Any] | None:
    """The JSON document at ``path``, or None where there is no file."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refusal(path, error) from error
    except ValueError as error:
        raise damaged_record(path, f"it is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise damaged_record(path, "it holds no JSON object")
    return document


_Record = t.TypeVar("_Record")


def read_record(path: str, build: t.Callable[[dict[str, t.Any]], _Record]) -> _Record | None:
    """What ``build`` makes of the JSON document at ``path``, or None where there is no file."""
    document = read_json(path)
    try:
        return None if document is None else build(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise damaged_record(path, f"it is no record of this kind ({error})") from error


def known_fields(kind: type, document: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What ``document`` says of the fields of the dataclass ``kind``; a later version may have written more."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in document.items() if name in names}


def damaged_record(path: str, reason: str) -> StoreError:
    return StoreError(f"{path} is damaged: {reason}", "Move it away, and run again")


def remove_file(path: str) -> None:
    """Delete a file, which may be gone already."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise refusal(path, error) from error


def refusal(path: str, error: OSError) -> StoreError:
    """What to tell the user of an OSError at ``path``."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(
            f"{path} cannot be written: {error.strerror}",
            "Use become, or choose a directory that this user may write",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"no space left on the file system of {path}", "Free some space there, or choose another directory"
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return StoreError(
            f"{path} cannot be made or read: something on its way is a file, and no directory",
            "Choose another directory, or move that file away",
        )
    return StoreError(
        f"{path} cannot be used: {error.strerror or error}", "Choose another directory, or repair its file system"
    )
