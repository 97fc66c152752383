# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The XML of every domain of a host, whether or not libvirtd runs, and without its Python bindings.

libvirt's QEMU driver keeps persistent domains in ``/etc/libvirt/qemu``, running ones (transient ones among them) in
``/run/libvirt/qemu``, and snapshots below ``/var/lib/libvirt/qemu/snapshot``; a user's own session has its files below
the home directory. Where ``virsh`` gets an answer, it is asked as well: it also knows what a running domain has now.
"""

from __future__ import annotations

import glob
import os
import pwd
from dataclasses import dataclass
from xml.etree import ElementTree

from ..common.errors import CommandError
from ..common.host import Host

_SYSTEM = ("etc/libvirt/qemu", "run/libvirt/qemu", "var/lib/libvirt/qemu/snapshot/*")
_COVERED = ("/etc/libvirt/", "/run/libvirt/")
_SESSION = (".config/libvirt/qemu", ".config/libvirt/qemu/lib/snapshot/*")
_VIRSH = ("virsh", "--connect", "qemu:///system", "--readonly", "--quiet")
_TIMEOUT = 20


@dataclass(frozen=True)
class Definition:
    """One XML document of a domain."""

    origin: str
    """Where it was read, for messages: a file, or ``virsh dumpxml NAME``."""
    xml: str


@dataclass(frozen=True)
class Definitions:
    found: tuple[Definition, ...]
    unreadable: tuple[str, ...]
    """What could not be read, as sentences without a full stop."""


def read_definitions(host: Host, root: str = "/") -> Definitions:
    """Every definition that there is. ``root`` is where the host's file system begins."""
    found, unreadable = _from_files(root)
    told = _from_virsh(host) if root == "/" else None
    if told is not None:
        # What libvirtd tells covers its own definition files, which only root may read.
        found += told.found
        unreadable = [sentence for sentence in unreadable if not sentence.startswith(_COVERED)]
        unreadable += told.unreadable
    return Definitions(tuple(found), tuple(unreadable))


def _from_files(root: str) -> tuple[list[Definition], list[str]]:
    directories = [os.path.join(root, directory) for directory in _SYSTEM]
    homes = sorted({entry.pw_dir.lstrip("/") for entry in pwd.getpwall()})
    directories += [os.path.join(root, home, directory) for home in homes if home for directory in _SESSION]
    found: list[Definition] = []
    unreadable: list[str] = []
    for pattern in directories:
        for directory in glob.glob(pattern):
            try:
                paths = [os.path.join(directory, name) for name in sorted(os.listdir(directory))]
            except NotADirectoryError:
                continue
            except OSError as error:
                unreadable.append(f"{directory} cannot be read: {error.strerror}")
                continue
            for path in paths:
                if path.endswith(".xml"):
                    try:
                        with open(path, encoding="utf-8", errors="surrogateescape") as file:
                            found.append(Definition(path, file.read()))
                    except FileNotFoundError:
                        # The domain ended in this moment.
                        continue
                    except OSError as error:
                        unreadable.append(f"{path} cannot be read: {error.strerror}")
    return found, unreadable


def _from_virsh(host: Host) -> Definitions | None:
    """None when virsh is not there or gets no answer."""
    if host.which("virsh") is None:
        return None
    found: list[Definition] = []
    unreadable: list[str] = []
    try:
        names = host.run([*_VIRSH, "list", "--all", "--name"], timeout=_TIMEOUT).checked().stdout.split("\n")
    except CommandError:
        return None
    for name in filter(None, names):
        # What the domain has now, and what it will have after its next start.
        for options in ((), ("--inactive",)):
            try:
                dumped = host.run([*_VIRSH, "dumpxml", *options, "--domain", name], timeout=_TIMEOUT).checked()
            except CommandError as error:
                unreadable.append(f"the domain {name} cannot be read: {error.cause}")
            else:
                found.append(Definition(f"virsh dumpxml {name}", dumped.stdout))
    return Definitions(tuple(found), tuple(unreadable))


def volume_path(pool: str, volume: str, root: str = "/") -> str | None:
    """Path of a volume of a storage pool that is a directory, or None where that cannot be told."""
    for directory in ("etc/libvirt/storage", "run/libvirt/storage"):
        try:
            target = (
                ElementTree.parse(os.path.join(root, directory, f"{pool}.xml")).getroot().findtext(".//target/path")
            )
        except (OSError, ElementTree.ParseError):
            continue
        if target:
            return os.path.join(target.strip(), volume)
    return None
