# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a request to the items that answer it, each with the proof of its digest."""

from __future__ import annotations

from ..common.host import Host
from .model import Item, Request, Trust


def resolve(host: Host, request: Request, trust: Trust, *, check_mode: bool = False) -> list[Item]:
    """The items that ``request`` means, at least one, proved as ``trust`` demands.

    In check mode a missing gpgv is a warning, and the items' proof has the method ``none``.
    Raises BadRequestError (there is no such item; it says what there is), VerificationError, TransferError (a catalog
    out of reach), MissingProgramError.
    """
    raise NotImplementedError
