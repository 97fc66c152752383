# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definitions that domains had before they were changed."""

from __future__ import annotations

import os
import time

from ..store.files import refusal, remove_file


def prepare(directory: str) -> None:
    """Make the directory of the backups, which hold passwords of consoles, and the lock of those who change domains."""
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    except OSError as error:
        raise refusal(directory, error) from error


def keep_backup(directory: str, uuid: str, xml: str, keep: int) -> str:
    """Write a definition down, delete all but the newest ``keep`` of the domain, and return the file's path."""
    own = os.path.join(directory, uuid)
    prepare(own)
    moment = time.time_ns()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(moment // 10**9))
    path = os.path.join(own, f"{stamp}.{moment % 10**9 // 1000:06d}.xml")
    try:
        # Not brought to the disk at once: hundreds of domains would wait for it, and only a loss of power in the next
        # seconds can take it away.
        with open(path, "x", encoding="utf-8", opener=_for_the_owner_alone) as file:
            file.write(xml)
    except OSError as error:
        raise refusal(path, error) from error
    # By name they are in the order of their times.
    for name in sorted(name for name in os.listdir(own) if name.endswith(".xml"))[:-keep]:
        remove_file(os.path.join(own, name))
    return path


def _for_the_owner_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
