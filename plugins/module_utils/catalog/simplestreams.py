# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading simplestreams' index and products documents (formats ``index:1.0`` and ``products:1.0``).

A document that has not the expected shape is refused with its URL and the place in it. Of a products document, which
may have tens of thousands of items, an item is looked at only when it is asked for.
"""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime

from ..common.age import format_time
from ..common.errors import VerificationError

IMAGE_DOWNLOADS = "image-downloads"
"""The datatype of products that are files, as opposed to the identifiers of a cloud's images."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class IndexEntry:
    """One products document."""

    content_id: str
    datatype: str
    path: str
    """Relative to the base, which is the directory that holds ``streams/``."""
    products: tuple[str, ...]


@dataclass(frozen=True)
class Index:
    """What ``streams/v1/index.json`` says."""

    url: str
    updated: str
    """``2024-08-22T03:28:23Z``; empty when it does not say."""
    entries: tuple[IndexEntry, ...]


@dataclass(frozen=True)
class StreamItem:
    """One file of a serial."""

    file_type: str
    path: str
    """Relative to the base."""
    sha256: str
    """64 lower-case hexadecimal digits."""
    size: int | None
    """Bytes."""


@dataclass(frozen=True)
class Product:
    """A release of a lineage for an architecture."""

    name: str
    """``com.ubuntu.cloud:server:24.04:amd64``."""
    lineage: str
    arch: str
    release: str
    """``noble``."""
    version: str
    """``24.04``."""
    release_title: str
    """``24.04 LTS``."""
    aliases: tuple[str, ...]
    supported: bool | None
    support_eol: str
    versions: Mapping[str, t.Any] = field(repr=False)
    url: str = ""
    """Of the document that describes it."""

    @property
    def serials(self) -> list[str]:
        """The newest first. Serials sort as plain strings."""
        return sorted(self.versions, reverse=True)

    def file_types(self, serial: str) -> list[str]:
        """What kinds of files the serial has."""
        return sorted(self._items(serial))

    def item(self, serial: str, file_type: str) -> StreamItem:
        """The file; both have to exist. Raises VerificationError for one that is not well described."""
        where = f"{self.name}, serial {serial}, {file_type}"
        described = self._items(serial)[file_type]
        path = _text(described, "path", self.url, where)
        sha256 = _text(described, "sha256", self.url, where).lower()
        size = described.get("size")
        if not _is_safe(path):
            raise _malformed(self.url, f"path {path!r} of {where} leads out of the publisher's tree")
        if not _SHA256.fullmatch(sha256):
            raise _malformed(self.url, f"sha256 {sha256!r} of {where} is not a digest")
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
            raise _malformed(self.url, f"size {size!r} of {where} is not a number of bytes")
        return StreamItem(file_type, path, sha256, size)

    def _items(self, serial: str) -> dict[str, dict[str, t.Any]]:
        where = f"{self.name}, serial {serial}"
        version = _checked(self.versions[serial], dict, self.url, where)
        items = {}
        for key, item in _get(version, "items", dict, self.url, where).items():
            described = _checked(item, dict, self.url, f"{where}, {key}")
            items[_text(described, "ftype", self.url, f"{where}, {key}")] = described
        return items


@dataclass(frozen=True)
class Products:
    """What a products document says."""

    url: str
    updated: str
    """As :attr:`Index.updated`."""
    products: tuple[Product, ...]


def parse_index(content: bytes, url: str) -> Index:
    """An index document; ``url`` is named in errors. Raises VerificationError when it has another shape."""
    document = _document(content, "index:1.0", url)
    entries = []
    for content_id, raw in _get(document, "index", dict, url, "the document").items():
        entry = _checked(raw, dict, url, content_id)
        path = _text(entry, "path", url, content_id)
        if not _is_safe(path):
            raise _malformed(url, f"path {path!r} of {content_id} leads out of the publisher's tree")
        products = entry.get("products", [])
        if not isinstance(products, list) or not all(isinstance(product, str) for product in products):
            raise _malformed(url, f"products of {content_id} is not a list of names")
        entries.append(IndexEntry(content_id, str(entry.get("datatype", "")), path, tuple(products)))
    return Index(url, _moment(document, url), tuple(entries))


def parse_products(content: bytes, url: str) -> Products:
    """A products document; ``url`` is named in errors. Raises VerificationError when it has another shape."""
    document = _document(content, "products:1.0", url)
    products = [_product(name, raw, url) for name, raw in _get(document, "products", dict, url, "the document").items()]
    return Products(url, _moment(document, url), tuple(products))


def lineage_of(product: str) -> str:
    """``server`` of ``com.ubuntu.cloud:server:24.04:amd64``; empty for names that are made otherwise."""
    parts = product.split(":")
    return parts[1] if len(parts) == 4 else ""


def _product(name: str, raw: object, url: str) -> Product:
    product = _checked(raw, dict, url, name)
    supported = product.get("supported")
    return Product(
        name=name,
        lineage=lineage_of(name),
        arch=_text(product, "arch", url, name),
        release=_text(product, "release", url, name),
        version=_text(product, "version", url, name),
        release_title=str(product.get("release_title", "")),
        aliases=tuple(alias.strip() for alias in str(product.get("aliases", "")).split(",") if alias.strip()),
        supported=supported if isinstance(supported, bool) else None,
        support_eol=str(product.get("support_eol") or ""),
        versions=_get(product, "versions", dict, url, name),
        url=url,
    )


def _document(content: bytes, document_format: str, url: str) -> dict[str, t.Any]:
    try:
        document = _checked(json.loads(content), dict, url, "the document")
    except (ValueError, RecursionError) as error:
        raise _malformed(url, f"it is not JSON ({error})") from error
    if document.get("format") != document_format:
        raise _malformed(url, f"its format is {document.get('format')!r} instead of {document_format!r}")
    return document


def _moment(document: Mapping[str, t.Any], url: str) -> str:
    """``updated``, which is written as in RFC 5322."""
    text = document.get("updated")
    if text is None:
        return ""
    try:
        moment = parsedate_to_datetime(_checked(text, str, url, "updated"))
        # "-0000" gives a moment without a time zone, which means UTC.
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return format_time(moment)
    except (ValueError, TypeError, OverflowError) as error:
        raise _malformed(url, f"updated {text!r} is not a date") from error


def _is_safe(path: str) -> bool:
    """Whether a path stays below the base that it is relative to."""
    return bool(path) and "://" not in path and not path.startswith("/") and ".." not in path.split("/")


_T = t.TypeVar("_T")


def _get(mapping: Mapping[str, t.Any], key: str, kind: type[_T], url: str, where: str) -> _T:
    if key not in mapping:
        raise _malformed(url, f"{where} has no {key}")
    return _checked(mapping[key], kind, url, f"{key} of {where}")


def _text(mapping: Mapping[str, t.Any], key: str, url: str, where: str) -> str:
    return _get(mapping, key, str, url, where)


def _checked(value: object, kind: type[_T], url: str, where: str) -> _T:
    if not isinstance(value, kind):
        raise _malformed(url, f"{where} is not {_KINDS[kind]}")
    return value


_KINDS: dict[type[t.Any], str] = {dict: "an object", str: "a text"}


def _malformed(url: str, reason: str) -> VerificationError:
    return VerificationError(f"{url} is not a simplestreams document that can be read: {reason}", "Use another mirror")
