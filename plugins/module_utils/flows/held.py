# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of this host its domains, and builds under way, consist of."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field

from ..common.errors import CommandError, MissingProgramError
from ..common.host import Host
from ..disk.backing import chain_of
from ..libvirt.definitions import Definition, read_definitions, volume_path
from ..libvirt.disks import named_in
from ..store.layers import build_directories, is_in_use, overlays_in
from ..store.layout import Layout


@dataclass
class Held:
    """What must not be deleted."""

    by_path: dict[str, set[str]] = field(default_factory=dict)
    """By resolved path, who holds the file."""
    unknown: set[str] = field(default_factory=set)
    """Who holds files of which it cannot be told which; sentences without a full stop."""

    def add(self, path: str, holder: str) -> None:
        self.by_path.setdefault(os.path.realpath(path), set()).add(holder)

    def add_chain(self, host: Host, path: str, image_format: str, holder: str) -> None:
        self.add(path, holder)
        try:
            for layer in chain_of(host, path, image_format):
                self.add(layer, holder)
        except (CommandError, MissingProgramError) as error:
            self.unknown.add(f"{holder}: the backing chain of {path} cannot be read ({error.cause})")

    def holders_by_file(self) -> dict[tuple[int, int], set[str]]:
        """By device and inode, who holds the file: it may be reached by several names."""
        found: dict[tuple[int, int], set[str]] = {}
        for path, holders in self.by_path.items():
            with contextlib.suppress(OSError):
                status = os.stat(path)
                found.setdefault((status.st_dev, status.st_ino), set()).update(holders)
        return found


def held_files(host: Host, layout: Layout, root: str = "/") -> Held:
    """What every domain holds, and what the builds hold that are under way.

    ``root`` is where the file system with libvirt's definitions begins.
    """
    held = Held()
    definitions = read_definitions(host, root)
    held.unknown.update(definitions.unreadable)
    chains: set[tuple[str, str, str]] = set()
    for definition in definitions.found:
        _add_definition(held, definition, chains, root)
    for source, image_format, holder in sorted(chains):
        held.add_chain(host, source, image_format, holder)
    for directory in build_directories(layout):
        if is_in_use(directory):
            overlays = overlays_in(directory)
            for overlay in overlays:
                held.add_chain(host, overlay, "qcow2", f"the build in {directory}")
            if not overlays:
                held.unknown.add(f"the build in {directory} has just begun, and does not show yet what it starts from")
    return held


def _add_definition(held: Held, definition: Definition, chains: set[tuple[str, str, str]], root: str) -> None:
    """Add the paths that it names to ``held``, and its disks to ``chains``."""
    try:
        named = named_in(definition.xml)
    except ValueError as error:
        held.unknown.add(f"{definition.origin} cannot be understood ({error})")
        return
    holder = f"the domain {named.domain}"
    for path in named.paths:
        held.add(path, holder)
    for disk in named.disks:
        source = volume_path(disk.pool, disk.volume, root) if disk.pool else disk.path
        if source:
            chains.add((source, disk.format, holder))
        elif disk.format != "raw":
            what = f"volume {disk.volume} of pool {disk.pool}" if disk.pool else disk.network
            held.unknown.add(f"{holder}: the backing chain of {what} cannot be read")
