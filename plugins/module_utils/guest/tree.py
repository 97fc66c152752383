# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a guest, over all file systems that it mounts, as they would be seen from within."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..common.errors import BadRequestError
from ..common.size import format_size
from .ext import ROOT, Ext, Inode, Listed

LARGEST = 64 * 1024 * 1024
"""Bytes of a file that :meth:`Tree.read` reads unless it is told otherwise."""

_LINKS = 40
"""How many links Linux follows on the way to one file (MAXSYMLINKS)."""
_DIRECTORY = 0o040755


@dataclass(frozen=True)
class Entry:
    """What lstat(2) says of a name. Bytes that are no UTF-8 are surrogates, as in Python's own paths."""

    path: str
    """The real one, of which only the last part may be a link."""
    type: str
    """``file``, ``directory``, ``link``, ``character``, ``block``, ``fifo`` or ``socket``."""
    mode: int
    """Permissions, with the bits for set-user-ID, set-group-ID and sticky; without those of the type."""
    uid: int
    gid: int
    size: int
    mtime: int
    """Seconds since 1970."""
    inode: int
    """Two names of one file have the same, and so may two files of two file systems."""
    target: str | None = None
    """Of a link."""


@dataclass(frozen=True)
class _Node:
    """A name, and the file system that it is in."""

    path: str
    volume: Ext
    listed: Listed


class Tree:
    """The guest's files; ``volumes`` are its file systems by the directories where they are mounted, ``/`` among them.

    Directories and inodes are read when they are wanted, many at a time, and kept. ``hidden`` are directories where the
    guest mounts what is not read: there the tree shows what lies below the mount.
    """

    def __init__(self, volumes: Mapping[str, Ext], hidden: Collection[str] = ()) -> None:
        self.missed: set[str] = set()
        """Those of the hidden directories that somebody wanted to see."""
        self._volumes = dict(volumes)
        self._hidden = frozenset(hidden)
        self._listings: dict[tuple[Ext, int], dict[str, Listed]] = {}
        self._inodes: dict[tuple[Ext, int], Inode] = {}
        self._targets: dict[tuple[Ext, int], str] = {}

    def entry(self, path: str) -> Entry | None:
        """What is at this absolute path, links on the way followed, one at its end not; None where there is nothing."""
        node = self._find(path, follow=False)
        return None if node is None else next(self._entries([node]))

    def resolve(self, path: str) -> str | None:
        """The path that all links lead to, or None where they lead nowhere."""
        node = self._find(path, follow=True)
        return None if node is None else node.path

    def list(self, path: str) -> Sequence[Entry]:
        """What is in this directory, which may be a link to it, by name; nothing where there is none."""
        node = self._find(path, follow=True)
        if node is None or node.listed.type != "directory":
            return []
        self._load([node])
        return list(self._entries(self._children(node)))

    def read(self, path: str, limit: int = LARGEST) -> bytes | None:
        """The content of this file, which may be a link to it; None where there is none.

        Raises BadRequestError where it has more than ``limit`` bytes.
        """
        return self.read_many([path], limit).get(path)

    def read_many(self, paths: Iterable[str], limit: int = LARGEST) -> dict[str, bytes]:
        """As :meth:`read`, for those of the paths that are there; sooner done than one by one."""
        found = {path: self._find(path, follow=True) for path in paths}
        files = {path: node for path, node in found.items() if node is not None and node.listed.type == "file"}
        self._inspect(files.values())
        wanted: dict[Ext, dict[int, int]] = {}
        for path, node in files.items():
            size = self._inodes[node.volume, node.listed.inode].size
            if size > limit:
                raise BadRequestError(
                    f"{path} in the image has {format_size(size)}, more than the {format_size(limit)} that are read",
                    "Look whether that file is what it should be",
                )
            wanted.setdefault(node.volume, {})[node.listed.inode] = size
        contents = {volume: volume.read(sizes) for volume, sizes in wanted.items()}
        return {path: contents[node.volume][node.listed.inode] for path, node in files.items()}

    def text(self, path: str) -> str | None:
        """As :meth:`read`, as text; bytes that are no UTF-8 become replacement characters."""
        content = self.read(path)
        return None if content is None else content.decode("utf-8", "replace")

    def walk(self, top: str = "/") -> Iterator[Entry]:
        """Everything from this directory on, itself the first, sorted by path; links are not followed."""
        first = self._find(top, follow=True)
        if first is None:
            return
        nodes, level = [first], [first]
        seen: set[tuple[Ext, int]] = set()
        while level:
            directories = [node for node in level if node.listed.type == "directory"]
            # In a damaged file system a directory may be within itself.
            directories = [node for node in directories if (node.volume, node.listed.inode) not in seen]
            seen.update((node.volume, node.listed.inode) for node in directories)
            self._load(directories)
            level = [child for node in directories for child in self._children(node)]
            nodes += level
        yield from self._entries(sorted(nodes, key=lambda node: node.path.split("/")))

    def _find(self, path: str, *, follow: bool) -> _Node | None:
        """What is at a path, or None; ``follow`` says whether a link at its end is followed, as those before it are."""
        top = _Node("/", self._volumes["/"], Listed("/", ROOT, _DIRECTORY, 0, 0))
        way, links = [top], 0
        names = [name for name in reversed(path.split("/")) if name not in ("", ".")]
        while names:
            name = names.pop()
            if name == "..":
                way = way[:-1] or [top]
                continue
            if way[-1].listed.type != "directory":
                return None
            self._load([way[-1]])
            child = self._child(way[-1], name)
            if child is None:
                return None
            if child.listed.type == "link" and (names or follow):
                links += 1
                if links > _LINKS:
                    return None
                target = self._target(child)
                way = [top] if target.startswith("/") else way
                names += [part for part in reversed(target.split("/")) if part not in ("", ".")]
                continue
            way.append(child)
        return way[-1]

    def _child(self, node: _Node, name: str) -> _Node | None:
        path = posixpath.join(node.path, name)
        listed = self._listings[node.volume, node.listed.inode].get(name)
        if listed is None:
            return None
        if path in self._hidden:
            self.missed.add(path)
        if path in self._volumes and listed.type == "directory":
            return _Node(path, self._volumes[path], Listed(name, ROOT, _DIRECTORY, 0, 0))
        return _Node(path, node.volume, listed)

    def _children(self, node: _Node) -> Sequence[_Node]:
        names = sorted(self._listings[node.volume, node.listed.inode])
        return [child for child in (self._child(node, name) for name in names) if child is not None]

    def _load(self, directories: Iterable[_Node]) -> None:
        """Read the listings of directories that are not known yet."""
        wanted: dict[Ext, set[int]] = {}
        for node in directories:
            if (node.volume, node.listed.inode) not in self._listings:
                wanted.setdefault(node.volume, set()).add(node.listed.inode)
        for volume, inodes in wanted.items():
            for inode, listing in volume.list(inodes).items():
                self._listings[volume, inode] = {listed.name: listed for listed in listing}

    def _inspect(self, nodes: Iterable[_Node]) -> None:
        """Read the inodes that are not known yet."""
        wanted: dict[Ext, set[int]] = {}
        for node in nodes:
            if (node.volume, node.listed.inode) not in self._inodes:
                wanted.setdefault(node.volume, set()).add(node.listed.inode)
        for volume, inodes in wanted.items():
            for inode, found in volume.inspect(inodes).items():
                self._inodes[volume, inode] = found

    def _target(self, node: _Node) -> str:
        self._read_targets([node])
        return self._targets[node.volume, node.listed.inode]

    def _read_targets(self, nodes: Iterable[_Node]) -> None:
        """Read the targets of links that are not known yet; long ones stand in blocks of their own."""
        links = [node for node in nodes if node.listed.type == "link"]
        self._inspect(links)
        long: dict[Ext, dict[int, int]] = {}
        for node in links:
            key = node.volume, node.listed.inode
            found = self._inodes[key]
            if found.target is not None:
                self._targets[key] = found.target.decode("utf-8", "surrogateescape")
            elif key not in self._targets:
                long.setdefault(node.volume, {})[node.listed.inode] = min(found.size, 4096)
        for volume, sizes in long.items():
            for inode, content in volume.read(sizes).items():
                self._targets[volume, inode] = content.decode("utf-8", "surrogateescape")

    def _entries(self, nodes: Iterable[_Node]) -> Iterator[Entry]:
        nodes = list(nodes)
        self._read_targets(nodes)
        self._inspect(nodes)
        for node in nodes:
            listed, key = node.listed, (node.volume, node.listed.inode)
            found = self._inodes[key]
            yield Entry(
                path=node.path,
                type=listed.type,
                mode=listed.mode & 0o7777,
                uid=listed.uid,
                gid=listed.gid,
                size=found.size,
                mtime=found.mtime,
                inode=listed.inode,
                target=self._targets[key] if listed.type == "link" else None,
            )
