# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a request to the items that answer it, each with the proof of its digest."""

from __future__ import annotations

from dataclasses import replace

from ..common.errors import MissingProgramError, VerificationError
from ..common.host import Host
from .metadata import Metadata
from .model import Item, Proof, Request, Trust
from .publisher import Publisher, Query
from .publishers import PUBLISHERS
from .signature import Verifier, trusted_keys


def resolve(host: Host, request: Request, trust: Trust, *, check_mode: bool = False) -> list[Item]:
    """The items that ``request`` means, at least one, proved as ``trust`` demands: ready to be fetched.

    With ``verify: signature`` every signed file that states an item's digest has to agree. In check mode a missing gpgv
    is a warning, and the proof has the method ``none``.
    Raises BadRequestError (there is no such item; it says what there is), VerificationError, TransferError (a catalog
    out of reach), MissingProgramError.
    """
    return _find(host, request, trust, check_mode, confirm=True)


def offered(host: Host, request: Request, trust: Trust, *, check_mode: bool = False) -> list[Item]:
    """As :func:`resolve`, but the publisher's signed catalog is proof enough: for lists of what there is.

    Not every item's own directory is asked, which may be hundreds, and some of them already deleted.
    """
    return _find(host, request, trust, check_mode, confirm=False)


def _find(host: Host, request: Request, trust: Trust, check_mode: bool, *, confirm: bool) -> list[Item]:
    publisher = PUBLISHERS[request.publisher]
    verifier = _verifier(host, publisher, trust, check_mode) if trust.verify == "signature" else None
    metadata = Metadata(host, publisher.bases(request), verifier)
    items = publisher.find(metadata, Query(request, trust, confirm=confirm and verifier is not None))
    return [_as_given(item, trust.checksum) for item in items] if trust.verify == "checksum" else items


def _verifier(host: Host, publisher: Publisher, trust: Trust, check_mode: bool) -> Verifier | None:
    keys = trusted_keys(trust, publisher.keys)
    try:
        return Verifier(host, keys)
    except MissingProgramError as error:
        if not check_mode:
            raise
        host.warn(f"{error.cause}: check mode goes on without verifying signatures. {error.way_out}")
        return None


def _as_given(item: Item, checksum: str) -> Item:
    """The item with the user's digest, which the publisher must not contradict."""
    same_algorithm = item.digest.partition(":")[0] == checksum.partition(":")[0]
    if same_algorithm and item.digest != checksum:
        raise VerificationError(
            f"the option checksum says {checksum}, but the publisher says {item.digest} of {item.urls[0]}",
            "If a newer image has been published, give its digest, or pin the serial that yours belongs to",
        )
    return replace(item, digest=checksum, proof=Proof("checksum"))
