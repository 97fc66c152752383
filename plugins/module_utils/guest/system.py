# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest says of itself: distribution, name, machine-id, mounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..common.os_release import parse_os_release
from .fstab import Mount, parse_fstab
from .tree import Tree

_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
_ZONES = "/usr/share/zoneinfo/"
_DPKG_ARCHITECTURE = "/var/lib/dpkg/arch"
# By the machine of an ELF header (e_machine), dpkg's word. The first is what /usr/bin/dpkg itself is.
_PROGRAMS = ("/usr/bin/dpkg", "/bin/sh")
_MACHINES = {
    (62, 64): "amd64",
    (3, 32): "i386",
    (183, 64): "arm64",
    (40, 32): "armhf",
    (21, 64): "ppc64el",
    (22, 64): "s390x",
    (243, 64): "riscv64",
}


@dataclass(frozen=True)
class System:
    """Texts are empty where the guest does not say."""

    os_release: Mapping[str, str]
    hostname: str
    architecture: str
    """dpkg's word, such as ``amd64``."""
    machine_id: str
    """``empty``, ``absent``, ``uninitialized`` or ``set``: in an image that is cloned it should be empty."""
    timezone: str
    fstab: Sequence[Mount]


def read_system(tree: Tree) -> System:
    texts = (tree.text(path) for path in _OS_RELEASE)
    os_release = next((text for text in texts if text is not None), "")
    return System(
        os_release=parse_os_release(os_release),
        hostname=_first_line(tree.text("/etc/hostname")),
        architecture=_architecture(tree),
        machine_id=machine_id_state(tree.text("/etc/machine-id")),
        timezone=_timezone(tree),
        fstab=parse_fstab(tree.text("/etc/fstab") or ""),
    )


def machine_id_state(text: str | None) -> str:
    """What machine-id(5) is, by the content of the file."""
    if text is None:
        return "absent"
    content = text.strip()
    return content if content == "uninitialized" else "set" if content else "empty"


def elf_architecture(head: bytes) -> str:
    """dpkg's word for the machine that a program is for; empty for what is no program, or for another machine."""
    if head[:4] != b"\x7fELF" or len(head) < 20 or head[4] not in (1, 2) or head[5] not in (1, 2):
        return ""
    machine = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    return _MACHINES.get((machine, 32 * head[4]), "")


def _architecture(tree: Tree) -> str:
    """Foreign ones may be listed with the native one, which comes first."""
    listed = _first_line(tree.text(_DPKG_ARCHITECTURE))
    if listed:
        return listed
    programs = tree.read_many(_PROGRAMS)
    return next((found for found in (elf_architecture(programs.get(path, b"")) for path in _PROGRAMS) if found), "")


def _timezone(tree: Tree) -> str:
    written = _first_line(tree.text("/etc/timezone"))
    link = tree.entry("/etc/localtime")
    if link is None or link.target is None:
        return written
    dummy, found, zone = link.target.partition(_ZONES)
    return zone if found else written


def _first_line(text: str | None) -> str:
    """The first line that is not a comment."""
    lines = (line.strip() for line in (text or "").splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")
