# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any directory on a web server that holds images and a checksum file: no catalog, no serials."""

from __future__ import annotations

from urllib.parse import quote

from ..common.errors import BadRequestError
from .checksums import digest_of, parse_checksums
from .metadata import Metadata, OutOfReachError
from .model import Item, Proof, Request, Trust
from .publisher import Query


class DirectoryPublisher:
    """A directory, or the same one on several servers."""

    keys = None

    def bases(self, request: Request) -> tuple[str, ...]:
        return request.mirrors

    def find(self, metadata: Metadata, query: Query) -> list[Item]:
        """The file that the request names, or else every file that the checksum file has.

        That is the only file that states digests, so there is nothing to confirm it with.
        """
        request = query.request
        if "/" in request.file_name:
            raise BadRequestError(
                f"file_name is {request.file_name!r}, which is more than a name", "Put the directory into mirrors"
            )
        digests, proof = _stated(metadata, request, query.trust)
        names = [request.file_name] if request.file_name else sorted(name for name in digests if "/" not in name)
        directory = request.mirrors[0].rstrip("/") + "/"
        return [_item(directory, metadata.urls(quote(name)), name, digests[name], proof) for name in names]


def _stated(metadata: Metadata, request: Request, trust: Trust) -> tuple[dict[str, str], Proof]:
    """The digest of each file by name, empty where nobody states one, and what proves them."""
    if trust.verify == "checksum" and request.file_name:
        return {request.file_name: trust.checksum}, Proof("checksum")
    try:
        statement = metadata.beside_signature(request.checksum_file, request.signature_file, "checksums")
    except OutOfReachError as error:
        if trust.verify == "none" and error.not_there and request.file_name:
            return {request.file_name: ""}, Proof("none")
        raise
    digests = parse_checksums(statement.content, statement.url)
    if request.file_name:
        digests = {request.file_name: digest_of(digests, request.file_name, statement.url)}
    if statement.signature is None:
        return digests, Proof("none", file=statement.url)
    signature = statement.signature
    return digests, Proof("signature", statement.url, signature.fingerprint, signature.signed_at)


def _item(directory: str, urls: tuple[str, ...], name: str, digest: str, proof: Proof) -> Item:
    return Item(
        publisher="directory",
        product=directory,
        serial="",
        file_type="",
        name=name,
        urls=urls,
        digest=digest,
        size=None,
        proof=proof,
    )
