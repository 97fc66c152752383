# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to a hypervisor."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import typing as t
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from .bindings import LibvirtError, libvirt

PATIENCE = 60
"""Seconds for a connection: a network may swallow what is sent, and a daemon that hangs never answers."""
_QEMU = "qemu"
_DRIVERS = (_QEMU, "test")
_A_URI = "Use one such as qemu:///system, or qemu+ssh://HOST/system"


def is_local(uri: str) -> bool:
    """Whether the hypervisor is the machine itself, so that its /proc and /sys are those of the domains."""
    parts = urlsplit(uri)
    return _driver(uri) == _QEMU and not parts.hostname


def _driver(uri: str) -> str:
    return urlsplit(uri).scheme.partition("+")[0]


def daemon_uid(uri: str) -> int:
    """The user that a local hypervisor's daemon runs as."""
    return os.geteuid() if urlsplit(uri).path == "/session" else 0


@contextlib.contextmanager
def connected(uri: str, *, readonly: bool = False) -> Iterator[t.Any]:
    """libvirt's connection (``virConnect``), closed at the end. Raises LibvirtError."""
    # libvirt would send a URI with any scheme to a daemon, and choose one itself where there is none. What has no
    # scheme may be an alias of libvirt's own.
    if not uri.strip() or _driver(uri) not in (*_DRIVERS, ""):
        raise LibvirtError(f"uri is {uri!r}, which is none of QEMU's, to whose guests these settings belong", _A_URI)
    # It would print every error, also those that are caught.
    libvirt.registerErrorHandler(_stay_silent, None)
    connection = _opened(libvirt.openReadOnly if readonly else libvirt.open, uri)
    try:
        yield connection
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            connection.close()


def _opened(open_it: Callable[[str], t.Any], uri: str) -> t.Any:
    """In a thread, as nothing else ends waiting for a daemon that does not answer."""
    opened: list[t.Any] = []
    refused: list[t.Any] = []

    def attempt() -> None:
        try:
            opened.append(open_it(uri))
        except libvirt.libvirtError as error:
            refused.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if refused:
        raise _refusal(uri, refused[0]) from refused[0]
    if not opened:
        raise LibvirtError(
            f"libvirt does not answer at {uri} within {PATIENCE} seconds",
            "See whether the host can be reached, and whether virsh --connect gets an answer; a daemon that hangs has "
            "to be restarted, which guests do not notice",
        )
    return opened[0]


def _stay_silent(*dummy: object) -> None:
    pass


def _refusal(uri: str, error: t.Any) -> LibvirtError:
    said = str(error.get_error_message() or error)
    code, number = error.get_error_code(), error.get_int1()
    denied = code in (libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_ERR_AUTH_CANCELLED, libvirt.VIR_ERR_AUTH_UNAVAILABLE)
    if denied or (code == libvirt.VIR_ERR_SYSTEM_ERROR and number in (errno.EACCES, errno.EPERM)):
        raised = LibvirtError(
            f"user {os.geteuid()} may not use libvirt at {uri}: {said}",
            "Use become: true, or put the user into the group libvirt; domains of the user's own are at qemu:///session",
        )
    elif code == libvirt.VIR_ERR_SYSTEM_ERROR and number == errno.ENOENT and urlsplit(uri).hostname:
        # No socket, but the certificates of TLS.
        raised = LibvirtError(
            f"libvirt cannot be reached at {uri}: {said}", "Provide that file, or use qemu+ssh://HOST/system"
        )
    elif code == libvirt.VIR_ERR_SYSTEM_ERROR and number in (errno.ENOENT, errno.ECONNREFUSED):
        raised = LibvirtError(
            f"libvirt's daemon does not run at {uri}: {said}",
            "Start it (systemctl start libvirtd, or virtqemud.socket), or correct uri",
        )
    elif code in (libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_CONFIG_UNSUPPORTED):
        raised = LibvirtError(
            f"{uri} is no URI that libvirt knows here: {said}",
            _A_URI,
        )
    else:
        raised = LibvirtError(f"libvirt cannot be reached at {uri}: {said}", "See whether virsh --connect gets there")
    raised.code = code or 0
    return raised
