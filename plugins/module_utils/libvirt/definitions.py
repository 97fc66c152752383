# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The XML of every domain of a host, whether or not libvirtd runs, and without its Python bindings.

libvirt's QEMU driver keeps persistent domains in ``/etc/libvirt/qemu``, running ones (transient ones among them) in
``/run/libvirt/qemu``, and snapshots below ``/var/lib/libvirt/qemu/snapshot``; a user's own session has its files below
the home directory, and its running domains below ``/run/user``. Where ``virsh`` gets an answer, it is asked as well: it
also knows what a running domain has now.
"""

from __future__ import annotations

import glob
import os
import pwd
import stat
from dataclasses import dataclass
from xml.etree import ElementTree

from ..common.errors import CommandError
from ..common.host import Host

_SYSTEM = ("etc/libvirt/qemu", "run/libvirt/qemu", "var/lib/libvirt/qemu/snapshot/*")
_COVERED = ("/etc/libvirt/", "/run/libvirt/")
_RUNNING_SESSIONS = "run/user/*/libvirt/qemu/run"
_SESSION = (".config/libvirt/qemu", ".config/libvirt/qemu/lib/snapshot/*")
_LARGEST = 16 * 1024**2
"""Bytes of a file, which any user may have put there; a domain's has a few thousand."""
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
    directories = [os.path.join(root, directory) for directory in (*_SYSTEM, _RUNNING_SESSIONS)]
    homes = sorted({glob.escape(entry.pw_dir.lstrip("/")) for entry in pwd.getpwall()})
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
                        found.append(Definition(path, _content(path)))
                    except FileNotFoundError:
                        # The domain ended in this moment.
                        continue
                    except ValueError as error:
                        unreadable.append(f"{path} cannot be read: {error}")
                    except OSError as error:
                        unreadable.append(f"{path} cannot be read: {error.strerror}")
    return found, unreadable


def _content(path: str) -> str:
    """The text of a regular file; ValueError for what would never end, or make this process wait."""
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError("it is too large for a domain's definition")
    return content.decode("utf-8", "surrogateescape")


def _open_at_once(path: str, flags: int) -> int:
    """Opening a FIFO would wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


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
