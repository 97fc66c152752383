# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definitions that domains had before they were changed, and beside each the record of that change."""

from __future__ import annotations

import json
import os
import time
import typing as t
from collections.abc import Mapping

from ..common.errors import BadRequestError
from ..domain.model import Found
from ..domain.record import Record, came_about
from ..store.files import refusal, remove_file, unreadable, write_json, write_text

_XML, _RECORD, _PLANNED, _UNFINISHED = ".xml", ".json", ".planned", ".tmp"


def prepare(directory: str) -> None:
    """Make the directory of the backups, which hold passwords of consoles, and the lock of those who change domains."""
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    except OSError as error:
        raise refusal(directory, error) from error


def now() -> str:
    """This moment as records have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def keep_backup(directory: str, uuid: str, xml: str, record: Record) -> str:
    """Write a definition down and what is about to change of it.

    The change counts as planned until :func:`confirm_change` or :func:`forget_change`. Returns the path of the
    definition.
    """
    own = os.path.join(directory, uuid)
    prepare(own)
    moment = time.time_ns()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(moment // 10**9))
    path = os.path.join(own, f"{stamp}.{moment % 10**9 // 1000:06d}{_XML}")
    write_text(path, xml)
    write_json(_beside(path, _PLANNED), record.encode(), mode=0o600)
    return path


def confirm_change(backup: str) -> None:
    """The change of a backup has come about. Raises GoldsmithError."""
    record = _beside(backup, _RECORD)
    try:
        os.replace(_beside(backup, _PLANNED), record)
    except OSError as error:
        raise refusal(record, error) from error


def settle_changes(directory: str, found: Found, xml: str) -> None:
    """Decide what became of changes that a run was about to make that ended before it could tell.

    Nobody else makes any at the same time. ``xml`` is the definition as it is.
    """
    for backup, record in _records(directory, found.uuid, _PLANNED).items():
        if came_about(record, found):
            confirm_change(backup)
        elif _has_text(backup, xml):
            forget_change(backup)
        else:
            # Somebody has changed the definition since; as it was, it is in no other backup.
            remove_file(_beside(backup, _PLANNED))


def _has_text(path: str, text: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read() == text
    except (OSError, ValueError):
        return False


def prune_backups(newest_one: str, keep: int) -> None:
    """Delete all but the newest ``keep`` backups of a domain, when the change of the newest one has come about."""
    own = os.path.dirname(newest_one)
    names = os.listdir(own)
    for name in names:
        # Of a run that was killed; nobody else writes while the lock is held.
        if name.endswith(_UNFINISHED):
            remove_file(os.path.join(own, name))
    # By name they are in the order of their times.
    stems = sorted(name[: -len(_XML)] for name in names if name.endswith(_XML))
    for stem in stems[:-keep]:
        for suffix in (_PLANNED, _RECORD, _XML):
            remove_file(os.path.join(own, stem + suffix))


def forget_change(backup: str) -> None:
    """Take a backup away whose change did not come about: the domain has that definition still."""
    for path in (_beside(backup, _PLANNED), backup):
        remove_file(path)


def read_records(directory: str, found: Found) -> dict[str, Record]:
    """The records of a domain by the paths of the backups, the oldest first. Raises GoldsmithError.

    Of a change that a killed run was about to make there is one if the definition has it.
    """
    # First: another run may be confirming one.
    planned = _records(directory, found.uuid, _PLANNED)
    made = {backup: record for backup, record in planned.items() if came_about(record, found)}
    return dict(sorted({**_records(directory, found.uuid, _RECORD), **made}.items()))


def _records(directory: str, uuid: str, suffix: str) -> dict[str, Record]:
    own = os.path.join(directory, uuid)
    found = {}
    try:
        names = [name for name in os.listdir(own) if name.endswith(suffix)]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(own, error) from error
    for name in names:
        path = os.path.join(own, name)
        document = _read(path)
        if document is not None:
            found[path[: -len(suffix)] + _XML] = Record.decode(document, path)
    return found


def _read(path: str) -> t.Any:
    """What a record has; None where another run has just taken it away, or confirmed it."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise BadRequestError(f"{path} is damaged: {error}", "Move it away; the definition is beside it") from error


def newest(records: Mapping[str, Record]) -> Record | None:
    return next(reversed(list(records.values())), None)


def _beside(backup: str, suffix: str) -> str:
    return backup[: -len(_XML)] + suffix
