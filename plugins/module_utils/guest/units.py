# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of a guest that are enabled or masked, by the links that ``systemctl enable`` and ``mask`` make."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .tree import Entry, Tree

_DIRECTORY = "/etc/systemd/system"
_WANTING = (".wants", ".requires", ".upholds")
_SUFFIXES = (
    ".automount",
    ".device",
    ".mount",
    ".path",
    ".scope",
    ".service",
    ".slice",
    ".socket",
    ".swap",
    ".target",
    ".timer",
)
_DEFAULT_TARGETS = ("/etc/systemd/system/default.target", "/usr/lib/systemd/system/default.target")


@dataclass(frozen=True)
class Units:
    """What is started because someone wanted it. What units of the distribution want by themselves is left out."""

    enabled: Mapping[str, Sequence[str]]
    """By unit, such as ``ssh.service``, which units want it."""
    masked: Sequence[str]
    default_target: str
    """What the guest boots to; empty where it does not say."""


def read_units(tree: Tree) -> Units:
    entries = list(tree.walk(_DIRECTORY)) if tree.entry(_DIRECTORY) else []
    top = tree.resolve(_DIRECTORY) or _DIRECTORY
    enabled: dict[str, list[str]] = {}
    masked = []
    for entry in entries:
        directory, name = posixpath.split(entry.path)
        wanting, kind = posixpath.splitext(posixpath.basename(directory))
        if not name.endswith(_SUFFIXES):
            continue
        if directory == top and _is_mask(entry):
            masked.append(name)
        elif posixpath.dirname(directory) == top and kind in _WANTING and entry.type == "link":
            enabled.setdefault(name, []).append(wanting)
    # What is masked is not started, whoever wants it.
    wanted = {name: sorted(wanting) for name, wanting in sorted(enabled.items()) if name not in masked}
    return Units(wanted, sorted(masked), _default_target(tree))


def _is_mask(entry: Entry) -> bool:
    """systemd.unit(5): a link to /dev/null, or an empty file."""
    if entry.type == "link":
        return posixpath.normpath(posixpath.join("/etc/systemd/system", entry.target or "")) == "/dev/null"
    return entry.type == "file" and entry.size == 0


def _default_target(tree: Tree) -> str:
    links = (tree.entry(path) for path in _DEFAULT_TARGETS)
    return next((posixpath.basename(link.target) for link in links if link is not None and link.target), "")
