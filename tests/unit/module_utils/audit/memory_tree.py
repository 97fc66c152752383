# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an image, in memory."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

PASSWD = (
    "root:x:0:0:root:/root:/bin/bash\nops:x:1000:1000::/home/ops:/bin/bash\nsshd:x:101:65534::/:/usr/sbin/nologin\n"
)
SHADOW = "root:*:20779:0:99999:7:::\nops:!:20779:0:99999:7:::\nsshd:!*:20779::::::\n"


@dataclass(frozen=True)
class MemoryEntry:
    path: str
    type: str
    mode: int = 0o644
    size: int = 0
    target: str | None = None


class MemoryTree:
    """``tree.file("/etc/motd", "Hi")`` makes the directories on the way."""

    def __init__(self) -> None:
        self.found: dict[str, MemoryEntry] = {"/": MemoryEntry("/", "directory", 0o755)}
        self.contents: dict[str, bytes] = {}

    def add(self, path: str, kind: str, mode: int, size: int = 0, target: str | None = None) -> MemoryTree:
        parent = path.rpartition("/")[0]
        if parent and parent not in self.found:
            self.add(parent, "directory", 0o755)
        self.found[path] = MemoryEntry(path, kind, mode, size, target)
        return self

    def file(self, path: str, content: str = "", mode: int = 0o644) -> MemoryTree:
        self.contents[path] = content.encode()
        return self.add(path, "file", mode, len(self.contents[path]))

    def resolve(self, path: str) -> str | None:
        real = "/"
        for name in path.split("/"):
            real = posixpath.normpath(posixpath.join(real, name))
            entry = self.found.get(real)
            if entry is None:
                return None
            if entry.type == "link":
                real = self.resolve(posixpath.join(posixpath.dirname(real), entry.target or "")) or ""
        return real or None

    def read(self, path: str) -> bytes | None:
        return self.contents.get(self.resolve(path) or "")

    def walk(self, top: str = "/") -> Iterator[MemoryEntry]:
        yield from (entry for path, entry in sorted(self.found.items()) if path.startswith(top))


def clean() -> MemoryTree:
    """An image with nothing to find."""
    tree = MemoryTree()
    tree.file("/etc/passwd", PASSWD).file("/etc/shadow", SHADOW, 0o640).file("/etc/machine-id", "", 0o444)
    tree.add("/tmp", "directory", 0o1777).add("/var/tmp", "directory", 0o1777).add("/root", "directory", 0o700)
    tree.add("/home/ops", "directory", 0o750).add("/dev/null", "character", 0o666)
    tree.file("/var/log/wtmp").file("/var/lib/apt/lists/lock").file("/root/.bash_history").file(
        "/root/.bashrc", "PS1=x"
    )
    tree.add("/var/lib/dbus/machine-id", "link", 0o777, 15, "/etc/machine-id")
    tree.file("/etc/iscsi/initiatorname.iscsi", "GenerateName=yes\n").file("/usr/bin/cloud-init", "", 0o755)
    for unit in ("cloud-init-local.service", "cloud-init.service"):
        wanted = f"/etc/systemd/system/cloud-init.target.wants/{unit}"
        tree.add(wanted, "link", 0o777, 0, f"/usr/lib/systemd/system/{unit}")
    return tree
