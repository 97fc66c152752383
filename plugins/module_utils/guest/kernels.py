# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernels of a guest, and the one that it boots."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .grub import Entry as GrubEntry
from .grub import default_entry, parse_environment, parse_menu
from .tree import Tree

_IMAGE = re.compile(r"(?:vmlinuz|vmlinux|Image)-(?P<version>[0-9].*)")
_LINKS = ("/boot/vmlinuz", "/vmlinuz")
_MENUS = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")


@dataclass(frozen=True)
class Kernel:
    version: str
    path: str
    initrd: str | None
    modules: str | None
    """Directory of its modules."""
    default: bool


@dataclass(frozen=True)
class Boot:
    """What is known of the guest's next boot."""

    kernels: Sequence[Kernel]
    """The newest first."""
    chosen_by: str | None
    """``grub``: its menu, as it is configured; ``link``: /boot/vmlinuz or /vmlinuz; None where neither tells."""
    command_line: str | None
    """The arguments of the default kernel, as GRUB's menu has them."""


def read_boot(tree: Tree) -> Boot:
    images = {entry.path: _IMAGE.fullmatch(posixpath.basename(entry.path)) for entry in tree.list("/boot")}
    versions = {path: match["version"] for path, match in images.items() if match}
    entry = _menu_entry(tree)
    default, chosen_by = _in_boot(tree, entry.kernel) if entry else None, "grub"
    if default is None:
        found = (tree.resolve(link) for link in _LINKS)
        default, chosen_by = next((path for path in found if path in versions), None), "link"
    kernels = [
        Kernel(
            version=version,
            path=path,
            initrd=_first(tree, (f"/boot/initrd.img-{version}", f"/boot/initramfs-{version}.img")),
            modules=_first(tree, (f"/usr/lib/modules/{version}", f"/lib/modules/{version}")),
            default=path == default,
        )
        for path, version in versions.items()
    ]
    kernels.sort(key=lambda kernel: version_key(kernel.version), reverse=True)
    arguments = entry.arguments if entry and chosen_by == "grub" else None
    return Boot(kernels, chosen_by if default else None, arguments)


def version_key(version: str) -> list[tuple[int, int, str]]:
    """To sort kernels by their versions, as ``sort -V`` does."""
    parts = re.findall(r"[0-9]+|[^0-9]+", version)
    return [(1, int(part), "") if part[0] in "0123456789" else (0, 0, part) for part in parts]


def _menu_entry(tree: Tree) -> GrubEntry | None:
    for path in _MENUS:
        text = tree.text(path)
        if text is not None:
            environment: Mapping[str, str] = parse_environment(
                tree.text(posixpath.join(posixpath.dirname(path), "grubenv")) or ""
            )
            return default_entry(parse_menu(text, environment), environment)
    return None


def _in_boot(tree: Tree, kernel: str) -> str | None:
    """The path in the guest of what GRUB calls ``/vmlinuz-…`` or ``/boot/vmlinuz-…``, by where its disk begins."""
    name = kernel.partition(")")[2] if kernel.startswith("(") else kernel
    for path in (name, f"/boot{name}"):
        found = tree.resolve(path)
        if found is not None and found.startswith("/boot/"):
            return found
    return None


def _first(tree: Tree, paths: Sequence[str]) -> str | None:
    return next((found for found in (tree.resolve(path) for path in paths) if found is not None), None)
