# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to a hypervisor."""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t
from collections.abc import Iterator
from urllib.parse import urlsplit

from .bindings import LibvirtError, libvirt

_LOCAL_DRIVERS = ("qemu", "kvm", "lxc", "xen", "bhyve", "ch")


def is_local(uri: str) -> bool:
    """Whether the hypervisor is the machine itself, so that its /proc and /sys are those of the domains."""
    parts = urlsplit(uri)
    return parts.scheme.partition("+")[0] in _LOCAL_DRIVERS and not parts.hostname


def daemon_uid(uri: str) -> int:
    """The user that a local hypervisor's daemon runs as."""
    return os.geteuid() if urlsplit(uri).path == "/session" else 0


@contextlib.contextmanager
def connected(uri: str, *, readonly: bool = False) -> Iterator[t.Any]:
    """libvirt's connection (``virConnect``), closed at the end. Raises LibvirtError."""
    # It would print every error, also those that are caught.
    libvirt.registerErrorHandler(_stay_silent, None)
    try:
        connection = libvirt.openReadOnly(uri) if readonly else libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise _refusal(uri, error) from error
    try:
        yield connection
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            connection.close()


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
    elif code == libvirt.VIR_ERR_SYSTEM_ERROR and number in (errno.ENOENT, errno.ECONNREFUSED):
        raised = LibvirtError(
            f"libvirt's daemon does not run at {uri}: {said}",
            "Start it (systemctl start libvirtd, or virtqemud.socket), or correct uri",
        )
    elif code in (libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_CONFIG_UNSUPPORTED):
        raised = LibvirtError(
            f"{uri} is no URI that libvirt knows here: {said}",
            "Use one such as qemu:///system, or qemu+ssh://HOST/system",
        )
    else:
        raised = LibvirtError(f"libvirt cannot be reached at {uri}: {said}", "See whether virsh --connect gets there")
    raised.code = code or 0
    return raised
