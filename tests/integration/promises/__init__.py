# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of step promises: a file here for each kind, with two functions.

``steps(place)`` are steps that show all that the kind can do, as users write them. ``check(root)`` looks at the
userland that they were carried out in, by ``assert``. Those of all kinds make up the one recipe that is built into a
real image, so they keep out of each other's way: what they make lies below ``/srv/promises/KIND`` where that is free
to choose, and the image still boots afterwards, without a unit that fails.
"""

from __future__ import annotations

import importlib
import types
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys


@dataclass(frozen=True)
class Place:
    """What steps of promises are written for."""

    directory: Path
    """For files that steps name; each kind takes a directory of its own below it."""
    apt_url: str
    """The repository of tests/fixtures/apt_repository.py, suite ``stable``, component ``main``."""
    keys: Keys
    """``keys.apt`` signs the repository."""

    def file(self, name: str, content: str | bytes) -> str:
        """A file with this content; returns its path."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)


def promise(kind: str) -> types.ModuleType:
    """The file of a kind of step."""
    return importlib.import_module(f"{__name__}.{kind}")
