# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that were built and not published: kept for inspection under a name that says why.

``<name>-<serial>-<fingerprint>.failed.qcow2`` did not pass its checks, those of ``….unchecked.qcow2`` could not be
tried. Record and log lie beside it as beside a published image, and what the checks found. Of each name there is one,
that of the last build, but for those that somebody uses.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Mapping

from ..common.age import now
from ..common.errors import StoreError
from .files import refusal, remove_file, sync_directory, write_json, write_text
from .golden import Golden
from .golden_prune import FAILED, SUFFIX, UNCHECKED
from .published import log_path, read_build_record, record_path

_MODE = 0o600
"""What an audit objects to may be a secret."""


def beside(failed: str, ending: str) -> str:
    """The name of a file that tells of a failed image: ``beside(path, "console.log")``."""
    return f"{failed[: -len(SUFFIX)]}.{ending}"


def keep_failed(
    golden: Golden,
    temporary: str,
    path: str,
    record: Mapping[str, object],
    log: str,
    found: Mapping[str, str],
    is_held: Callable[[str], bool],
    why: str = FAILED,
) -> str:
    """Keep the unfinished image ``temporary``, which would have been published at ``path``; returns its new path.

    :arg found: texts by the endings of their files' names, such as ``console.log``.
    :arg is_held: whether somebody uses an image, so that it has to stay.
    :arg why: ``FAILED`` or ``UNCHECKED``.
    """
    failed = _kept_path(path, why)
    try:
        forget_failed(golden, is_held)
        if os.path.lexists(failed):
            failed = _kept_path(golden.rebuilt_path(path, now()), why)
        os.chmod(temporary, _MODE)
        for ending, text in found.items():
            write_text(beside(failed, ending), text)
        write_text(log_path(failed), log)
        write_json(record_path(failed), record)
        os.rename(temporary, failed)
        sync_directory(golden.directory)
    except OSError as error:
        raise refusal(failed, error) from error
    return failed


def forget_failed(golden: Golden, is_held: Callable[[str], bool]) -> None:
    """Remove the images of this name that were not published and that nobody uses, and what lies beside them."""
    beginning = os.path.join(glob.escape(golden.directory), f"{glob.escape(golden.name)}-*")
    for record in (path for why in (FAILED, UNCHECKED) for path in glob.glob(f"{beginning}{why}{SUFFIX}.json")):
        failed = record[: -len(".json")]
        if _is_own(golden, failed) and not is_held(failed):
            others = set(glob.glob(f"{glob.escape(failed[: -len(SUFFIX)])}.*")) - {record}
            # The record says whose they are, so it goes last.
            for path in [*sorted(others), record]:
                remove_file(path)


def _kept_path(path: str, why: str) -> str:
    return f"{path[: -len(SUFFIX)]}{why}{SUFFIX}"


def _is_own(golden: Golden, failed: str) -> bool:
    """A name may begin with another; records tell them apart."""
    try:
        record = read_build_record(failed)
    except StoreError:
        return False
    return record is not None and record.get("name") == golden.name
