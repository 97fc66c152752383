# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permissions."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import ALWAYS, Context, Finding, Rule

_STICKY = 0o1000
_WORLD = 0o002
_OUTSIDE = ("/dev/", "/proc/", "/sys/")
"""Directories over which a running system mounts its own."""


def _world_writable(context: Context) -> Iterator[Finding]:
    for entry in context.entries:
        if entry.type == "link" or not entry.mode & _WORLD or entry.path.startswith(_OUTSIDE):
            continue
        if entry.type == "directory" and entry.mode & _STICKY:
            continue
        if not _below_sticky(context, entry.path):
            yield Finding(entry.path, f"is a {entry.type} that every user may write to (mode {entry.mode:04o})")


def _below_sticky(context: Context, path: str) -> bool:
    while path.count("/") > 1:
        path = path.rpartition("/")[0]
        above = context.by_path.get(path)
        if above is not None and above.mode & (_STICKY | _WORLD) == _STICKY | _WORLD:
            return True
    return False


RULES = (
    Rule(
        "world_writable",
        """
        No file and no directory may be written to by every user, but sticky directories such as `/tmp` and what is in
        them. Whoever gets a foothold in a clone could put a program or a configuration of their own there.
        """,
        "Take the permission away by a step chmod, such as mode: o-w",
        _world_writable,
        ALWAYS,
    ),
)
