# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a catalog's items a request means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..common.errors import BadRequestError
from .model import Request
from .simplestreams import Product, StreamItem

_SERIALS_SHOWN = 10


@dataclass(frozen=True)
class Selected:
    """One item and where it belongs."""

    product: Product
    serial: str
    item: StreamItem


def select(products: Sequence[Product], request: Request) -> list[Selected]:
    """The items that match ``request``; newer releases and serials come first.

    ``all`` (or nothing) as release, arch, serial or file type does not restrict.
    Raises BadRequestError, which says what there is, when nothing matches.
    """
    offered = [product for product in products if product.lineage == request.lineage]
    if not offered:
        raise BadRequestError(
            f"the {request.stream} stream has no lineage {request.lineage}",
            f"It has {_listed(product.lineage for product in products if product.lineage)}",
        )
    chosen = _of_arch(_of_release(offered, request.release), request)
    chosen = sorted(chosen, key=lambda product: (_version_key(product.version), product.arch), reverse=True)
    selected = []
    serial_exists = False
    for product in chosen:
        for serial in _serials(product, request.serial):
            serial_exists = True
            selected += [
                Selected(product, serial, product.item(serial, file_type))
                for file_type in product.file_types(serial)
                if _is_all(request.file_type) or file_type == request.file_type
            ]
    if not serial_exists:
        raise _no_serial(chosen, request)
    if not selected:
        raise _no_file_type(chosen, request)
    return selected


def _is_all(word: str) -> bool:
    return word in ("", "all")


def _serials(product: Product, serial: str) -> list[str]:
    if _is_all(serial):
        return product.serials
    if serial == "latest":
        return product.serials[:1]
    return [serial] if serial in product.versions else []


def _of_release(products: Sequence[Product], release: str) -> list[Product]:
    """By codename or version, else by alias; Ubuntu's one-letter aliases mean two releases each by now."""
    if _is_all(release):
        return list(products)
    wanted = release.lower()
    named = [product for product in products if wanted in (product.release.lower(), product.version)]
    named = named or [product for product in products if wanted in (alias.lower() for alias in product.aliases)]
    if not named:
        known = [product for product in products if product.supported] or products
        raise BadRequestError(f"there is no release {release!r}", f"Supported are {_listed_releases(known)}")
    if len({product.version for product in named}) > 1:
        raise BadRequestError(
            f"the alias {release!r} means more than one release", f"Write which: {_listed_releases(named)}"
        )
    return named


def _of_arch(products: Sequence[Product], request: Request) -> list[Product]:
    if _is_all(request.arch):
        return list(products)
    named = [product for product in products if product.arch == request.arch]
    if not named:
        raise BadRequestError(
            f"{_named_for_any_arch(products, request)} is not there for the architecture {request.arch}",
            f"It is there for {_listed(product.arch for product in products)}",
        )
    return named


def _no_serial(products: Sequence[Product], request: Request) -> BadRequestError:
    serials = sorted({serial for product in products for serial in product.versions}, reverse=True)
    if not serials:
        return BadRequestError(f"{_named(products, request)} has no serial yet", "Use another stream or release")
    older = f" and {len(serials) - _SERIALS_SHOWN} older ones" if len(serials) > _SERIALS_SHOWN else ""
    return BadRequestError(
        f"{_named(products, request)} has no serial {request.serial}, or has it no longer",
        f"There are {', '.join(serials[:_SERIALS_SHOWN])}{older}; old serials are deleted after some months",
    )


def _no_file_type(products: Sequence[Product], request: Request) -> BadRequestError:
    there = {
        file_type
        for product in products
        for serial in _serials(product, request.serial)
        for file_type in product.file_types(serial)
    }
    cause = f"{_named(products, request)} has no file of type {request.file_type}"
    if request.serial == "latest" and len(products) == 1:
        cause += f" in its latest serial, {products[0].serials[0]}"
        with_it = (serial for serial in products[0].serials if request.file_type in products[0].file_types(serial))
        newest = next(with_it, None)
        if newest is not None:
            return BadRequestError(cause, f"The newest serial that has it is {newest}. It has {_listed(there)}")
    return BadRequestError(cause, f"It has {_listed(there)}")


def _named(products: Sequence[Product], request: Request) -> str:
    """``noble (24.04 LTS), lineage server, stream released, architecture amd64,``."""
    arches = {product.arch for product in products}
    return f"{_named_for_any_arch(products, request)}{f' architecture {arches.pop()},' if len(arches) == 1 else ''}"


def _named_for_any_arch(products: Sequence[Product], request: Request) -> str:
    versions = {product.version for product in products}
    release = _release_name(products[0]) if len(versions) == 1 else "any release"
    return f"{release}, lineage {request.lineage}, stream {request.stream},"


def _release_name(product: Product) -> str:
    return f"{product.release} ({product.release_title or product.version})"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(set(words))) or "none"


def _listed_releases(products: Sequence[Product]) -> str:
    by_version = {product.version: _release_name(product) for product in products}
    return ", ".join(by_version[version] for version in sorted(by_version, key=_version_key, reverse=True))


def _version_key(version: str) -> tuple[tuple[int, ...], str]:
    """Sorts 6.06 before 10.04."""
    return tuple(int(part) for part in version.split(".") if part.isdigit()), version
