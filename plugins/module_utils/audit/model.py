# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit looks at, what it expects, and what it finds."""

from __future__ import annotations

import posixpath
import re
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase, translate
from functools import cached_property

ALWAYS = "always"
"""Of a rule that every image has to keep."""
GENERALISED = "generalised"
"""Of a rule that an image has to keep which is made to be cloned; in others, what it finds is only told."""


class Entry(t.Protocol):
    """What lstat(2) says of a name in the image."""

    @property
    def path(self) -> str:
        """From the root of the image, absolute."""

    @property
    def type(self) -> str:
        """``file``, ``directory``, ``link``, ``character``, ``block``, ``fifo`` or ``socket``."""

    @property
    def mode(self) -> int:
        """Permissions, without the bits of the type."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def target(self) -> str | None:
        """Of a link."""


class Tree(t.Protocol):
    """The files of the image."""

    def resolve(self, path: str) -> str | None:
        """The path that all links lead to, or None where they lead nowhere."""

    def read(self, path: str) -> bytes | None:
        """The content of this file, which may be a link to it; None where there is none."""

    def walk(self, top: str = ...) -> Iterable[Entry]:
        """Everything from this directory on; links are not followed."""


@dataclass(frozen=True)
class Secret:
    """A text that must not be in the image."""

    label: str
    """What it is, without itself: ``secrets.TOKEN of step 3 (run_command)``."""
    text: str = field(repr=False)


@dataclass(frozen=True)
class Allowance:
    """An exception that somebody has thought about."""

    rule: str
    paths: tuple[str, ...]
    """Patterns; ``*`` matches slashes as well."""
    reason: str


@dataclass(frozen=True)
class Expected:
    """What the image is meant to be."""

    generalised: bool = True
    """Whether it is made to be cloned."""
    kept: frozenset[str] = frozenset()
    """Names of rules whose findings are meant to be there, because the step generalise was told to keep them."""
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By user who was given a password, its hash; empty where that is made in the image."""
    authorized_keys: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By user, the lines that were put in."""
    files: tuple[str, ...] = ()
    """Patterns of paths that were put in on purpose."""
    directories: tuple[str, ...] = ()
    """The same of directories, of which it is not known what was put into them."""
    lines: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By path, lines that were put into a file."""
    secrets: tuple[Secret, ...] = ()
    allow: tuple[Allowance, ...] = ()


@dataclass(frozen=True)
class Hit:
    """A secret in the raw image."""

    secret: str
    """Its label."""
    form: str
    """How it is written there: ``plain``, ``base64``, …"""
    offset: int
    """Bytes from the beginning of the disk."""
    path: str | None = None
    """The file that has it; None where it is in no file, or that cannot be told."""


@dataclass(frozen=True)
class Disk:
    """What is known of an image beside its files."""

    hits: tuple[Hit, ...] = ()
    countless: tuple[str, ...] = ()
    """Labels of secrets that are in more places than hits were looked up."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """By mount point, why the files there are not in the tree."""
    snapshots: tuple[str, ...] = ()
    """Names of those that the image's file has inside."""


class Context:
    """What rules look at. The tree is walked once."""

    def __init__(self, tree: Tree, expected: Expected, disk: Disk | None = None) -> None:
        self.tree = tree
        self.expected = expected
        self.disk = disk or Disk()
        self.entries: tuple[Entry, ...] = tuple(tree.walk("/"))
        self.by_path: Mapping[str, Entry] = {entry.path: entry for entry in self.entries}

    def matching(self, *patterns: str, types: Iterable[str] = ("file",)) -> Iterator[Entry]:
        """Entries whose whole path matches one of the patterns, in which ``*`` matches slashes as well."""
        wanted = frozenset(types)
        # One expression for all: there are many files.
        fits = re.compile("|".join(translate(pattern) for pattern in patterns)).match
        for entry in self.entries:
            if entry.type in wanted and fits(entry.path):
                yield entry

    def put_in(self, path: str) -> bool:
        """Whether the recipe put this file in by name, or a line of it, or a directory that may have held it."""
        within = any(fnmatchcase(path, f"{pattern}/*") for pattern in self.expected.directories)
        return within or path in self.expected.lines or self.put_in_whole(path)

    def put_in_whole(self, path: str) -> bool:
        """Whether the recipe put this file in by name, and all that is in it."""
        return any(fnmatchcase(path, pattern) for pattern in self.expected.files)

    def text(self, path: str) -> str:
        """The content of a file, empty where there is none."""
        content = self.tree.read(path)
        return "" if content is None else content.decode("utf-8", "replace")

    @cached_property
    def accounts(self) -> Sequence[tuple[str, str]]:
        """User and real home directory of each account, and of each directory below ``/home`` that is nobody's."""
        rows = [line.split(":") for line in self.text("/etc/passwd").splitlines()]
        found = [(row[0], self.tree.resolve(row[5]) or posixpath.normpath(row[5])) for row in rows if len(row) > 5]
        homes = {home for dummy, home in found}
        top = self.tree.resolve("/home")
        for entry in self.entries:
            parent, dummy, name = entry.path.rpartition("/")
            if parent == top and entry.type == "directory" and entry.path not in homes:
                found.append((name, entry.path))
        return found


@dataclass(frozen=True)
class Finding:
    """One thing that should not be as it is."""

    path: str
    """The file in the image; empty where it is in none."""
    detail: str
    """In words, without a secret."""


@dataclass(frozen=True)
class Rule:
    """One thing that holds of a good image."""

    name: str
    description: str
    """What must not be, and why: sentences."""
    way_out: str
    """What to do about it: a sentence without a final full stop."""
    check: Callable[[Context], Iterable[Finding]]
    scope: str = GENERALISED
    """:data:`ALWAYS` or :data:`GENERALISED`."""
