# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shutting domains down and starting them again, so that they have what their definitions say."""

from __future__ import annotations

import time
import typing as t

from ..common.errors import GoldsmithError
from .bindings import LibvirtError, in_our_words
from .domains import Listed

_PRESS_AGAIN = 10
"""Seconds after which a guest is asked once more: one that was just booting has not heard it."""
_POLL = 0.5
_INACTIVE = -1


def restart(connection: t.Any, domain: Listed, timeout: float) -> None:
    """Let the guest shut itself down, and start the domain when it has. Nothing is ever destroyed.

    Raises GoldsmithError where it does not shut down within ``timeout`` seconds, or does not start again.
    """
    name = domain.name
    running = _number(connection, domain)
    if running != _INACTIVE:
        _shut_down(connection, domain, running, timeout)
    if _number(connection, domain) != _INACTIVE:
        # Somebody else was faster: it runs with its new settings all the same.
        return
    with in_our_words(f"{name} cannot be looked at"):
        saved = domain.handle.hasManagedSaveImage()
    if saved:
        raise GoldsmithError(
            f"{name} was saved by somebody else while it was to shut down, and would start with the settings that are "
            "saved",
            "It is left as it is: start it, or drop what was saved with virsh managedsave-remove",
        )
    try:
        with in_our_words(
            f"{name} has shut down, and does not start with its new settings",
            "It is off. See its log in /var/log/libvirt/qemu; domain_tune with state: restored puts its settings back",
        ):
            domain.handle.create()
    except LibvirtError:
        if _number(connection, domain) == _INACTIVE:
            raise


def _shut_down(connection: t.Any, domain: Listed, running: int, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    ask_at = 0.0
    while _number(connection, domain) == running:
        now = time.monotonic()
        if now >= deadline:
            raise GoldsmithError(
                f"{domain.name} has not shut down within {timeout:g} seconds",
                "It still runs with its former settings, and nothing was forced; its definition is changed. See "
                "whether its guest heeds the power button (acpid, systemd-logind) or has a guest agent, and whether "
                "restart_timeout is long enough. It was asked, and may shut down later: it would then stay off",
            )
        if now >= ask_at:
            ask_at = now + _PRESS_AGAIN
            _ask(connection, domain, running)
        time.sleep(_POLL)


def _ask(connection: t.Any, domain: Listed, running: int) -> None:
    try:
        with in_our_words(f"{domain.name} cannot be asked to shut down", "It still runs with its former settings"):
            domain.handle.shutdown()
    except LibvirtError:
        # Where it has ended in this moment, that was asked for.
        if _number(connection, domain) == running:
            raise


def _number(connection: t.Any, domain: Listed) -> int:
    """libvirt's number of the running domain, a new one after each start; -1 where it does not run.

    A handle keeps the number that it was made with.
    """
    with in_our_words(f"{domain.name} cannot be looked at", "It may have been undefined meanwhile"):
        return int(connection.lookupByUUIDString(domain.uuid).ID())
