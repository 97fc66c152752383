# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the host's loopback."""

from __future__ import annotations

import socket

from ..common.errors import BadRequestError
from .qemu import LOOPBACK


def free() -> int:
    """A port that nobody has, for the moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def require_free(port: int) -> None:
    """Raise BadRequestError where QEMU could not have the port."""
    with socket.socket() as probe:
        # As QEMU does: connections that are ending are in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise taken(port) from error


def taken(port: int) -> BadRequestError:
    """What to tell the user of a port that cannot be had."""
    return BadRequestError(
        f"ssh_port {port} cannot be had on {LOOPBACK}: another program listens there, or it needs root",
        "Choose another port, or leave ssh_port out, and a free one is taken",
    )
