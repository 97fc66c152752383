# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ubuntu's cloud images: simplestreams catalogs, and a signed SHA256SUMS beside each item."""

from __future__ import annotations

import posixpath
from dataclasses import replace

from ..common.errors import VerificationError
from .checksums import digest_of, parse_checksums
from .metadata import Metadata, Statement
from .model import Item, Proof, Request
from .publisher import Query
from .selection import Selected, select
from .simplestreams import IMAGE_DOWNLOADS, Product, parse_index, parse_products
from .ubuntu_keys import UBUNTU_KEYS

ROOT = "https://cloud-images.ubuntu.com/"

_SIGNED_INDEX = "streams/v1/index.sjson"
_PLAIN_INDEX = "streams/v1/index.json"
"""The same without signature, which names documents without signature."""

_BASES = {
    ("server", "released"): "releases/",
    ("server", "daily"): "daily/",
    ("minimal", "released"): "minimal/releases/",
    ("minimal", "daily"): "minimal/daily/",
}
"""Below the root, the directory of each lineage and stream that its catalog's paths are relative to."""


_NAMESPACES = {"released": "com.ubuntu.cloud", "daily": "com.ubuntu.cloud.daily"}
"""What the names of each stream's products begin with, up to the first colon."""


class UbuntuPublisher:
    """Canonical's own server, or mirrors of it.

    Which serials there are, and what digest each file has, is taken from the clear-signed catalog: the lines of
    SHA256SUMS carry no serial, so an old signed directory could be replayed as the newest.
    """

    keys = UBUNTU_KEYS

    def bases(self, request: Request) -> tuple[str, ...]:
        below = _BASES[request.lineage, request.stream]
        return tuple(f"{root.rstrip('/')}/{below}" for root in request.mirrors or (ROOT,))

    def find(self, metadata: Metadata, query: Query) -> list[Item]:
        request = query.request
        index_statement = metadata.clear_signed(_SIGNED_INDEX if metadata.verifies else _PLAIN_INDEX, "streams")
        index = parse_index(index_statement.content, index_statement.url)
        documents = []
        for entry in index.entries:
            if entry.datatype == IMAGE_DOWNLOADS:
                statement = metadata.clear_signed(entry.path, "streams")
                documents.append((statement, parse_products(statement.content, statement.url)))
        if not documents:
            raise VerificationError(f"{index.url} lists no images to download", "Use another mirror")

        proofs = {
            products.url: _stream_proof(statement, min(filter(None, (index.updated, products.updated)), default=""))
            for statement, products in documents
        }
        offered = [product for _statement, products in documents for product in products.products]
        selected = select(_of_stream(offered, request.stream, index.url), request)
        items = [_item(metadata, each, request, proofs[each.product.url]) for each in selected]
        return _confirmed(metadata, selected, items) if query.confirm else items


def _of_stream(products: list[Product], stream: str, url: str) -> list[Product]:
    """The products of the stream that was asked for.

    Both streams' catalogs are signed by the same key, so a mirror could show the untested images as the released ones.
    Raises VerificationError where there are only others.
    """
    of_stream = [product for product in products if product.name.partition(":")[0] == _NAMESPACES[stream]]
    if products and not of_stream:
        raise VerificationError(
            f"{url} is not the catalog of the stream {stream}: it lists {products[0].name}",
            "The mirror serves another directory in its place: use another mirror",
        )
    return of_stream


def _stream_proof(statement: Statement, updated: str) -> Proof:
    # What nobody signed must not be taken for a date to compare later answers with.
    if statement.signature is None:
        return Proof("none")
    signature = statement.signature
    return Proof(
        method="signature",
        file=statement.url,
        fingerprint=signature.fingerprint,
        signed_at=signature.signed_at,
        index_file=statement.url,
        index_fingerprint=signature.fingerprint,
        index_updated=updated,
        index_signed_at=signature.signed_at,
    )


def _item(metadata: Metadata, selected: Selected, request: Request, proof: Proof) -> Item:
    product = selected.product
    return Item(
        publisher="ubuntu",
        product=product.name,
        serial=selected.serial,
        file_type=selected.item.file_type,
        name=posixpath.basename(selected.item.path),
        urls=metadata.urls(selected.item.path),
        digest=f"sha256:{selected.item.sha256}",
        size=selected.item.size,
        proof=proof,
        release=product.release,
        version=product.version,
        release_title=product.release_title,
        lineage=product.lineage,
        arch=product.arch,
        stream=request.stream,
        aliases=product.aliases,
        supported=product.supported,
        support_eol=product.support_eol,
    )


def _confirmed(metadata: Metadata, selected: list[Selected], items: list[Item]) -> list[Item]:
    """The items, proved by SHA256SUMS of their directories too.

    Raises VerificationError where that states another digest.
    """
    statements: dict[str, tuple[Statement, dict[str, str]]] = {}
    confirmed = []
    for each, item in zip(selected, items):
        path = posixpath.join(posixpath.dirname(each.item.path), "SHA256SUMS")
        if path not in statements:
            statement = metadata.beside_signature(path, f"{path}.gpg", "checksums")
            statements[path] = statement, parse_checksums(statement.content, statement.url)
        statement, digests = statements[path]
        stated = digest_of(digests, item.name, statement.url)
        if stated != item.digest:
            raise VerificationError(
                f"two signed files disagree about {item.name}, serial {item.serial}: {item.proof.file} states"
                f" {item.digest}, {statement.url} states {stated}",
                "One of them is old or belongs to another serial: use another mirror, or wait for this one to catch up",
            )
        if statement.signature is not None:
            proof = replace(
                item.proof,
                file=statement.url,
                fingerprint=statement.signature.fingerprint,
                signed_at=statement.signature.signed_at,
            )
            item = replace(item, proof=proof)
        confirmed.append(item)
    return confirmed
