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

import contextlib
import importlib
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.goldsmith.kvm.tests.fixtures.apt_repository import write_repository
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.server import serve

OWN_REPOSITORIES = ("apt_repository", "apt_mirror")
"""Kinds whose promise leaves the repository in the image. apt wants one key for each URL, so theirs is another URL."""


@dataclass(frozen=True)
class Place:
    """What steps of promises are written for."""

    directory: Path
    """For files that steps name; each kind takes a directory of its own below it."""
    apt_url: str
    """The repository of tests/fixtures/apt_repository.py, suite ``stable``, component ``main``."""
    keys: Keys
    """``keys.apt`` signs the repository."""

    def apt_url_of(self, kind: str) -> str:
        """The same repository for one of :data:`OWN_REPOSITORIES`."""
        return f"{self.apt_url}-of-{kind}"

    def file(self, name: str, content: str | bytes) -> str:
        """A file with this content; returns its path."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)


@contextlib.contextmanager
def serve_place(directory: Path, keys: Keys, loopback: str = "127.0.0.1") -> Iterator[Place]:
    """A place below ``directory``; ``loopback`` is this host's as steps see it."""
    with keys.session():
        write_repository(directory / "tree" / "apt", keys)
    for kind in OWN_REPOSITORIES:
        (directory / "tree" / f"apt-of-{kind}").symlink_to("apt")
    with serve(directory / "tree") as server:
        yield Place(directory / "files", f"http://{loopback}:{server.url.rpartition(':')[2]}/apt", keys)


def promise(kind: str) -> types.ModuleType:
    """The file of a kind of step."""
    return importlib.import_module(f"{__name__}.{kind}")
