# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a publisher, and what it answers. The words are those of simplestreams."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """Which items of a publisher are wanted.

    An empty string or tuple means the publisher's own or, like ``all``: not restricted.
    """

    publisher: str = "ubuntu"
    mirrors: tuple[str, ...] = ()
    """Base URLs, tried in order; for the publisher ``directory`` the URLs of the directory itself."""
    release: str = ""
    """Codename, version or alias: ``noble``, ``24.04``, ``lts``."""
    lineage: str = "server"
    arch: str = ""
    """In the publisher's words: ``amd64``, ``arm64``."""
    stream: str = "released"
    file_type: str = "disk1.img"
    serial: str = "latest"
    file_name: str = ""
    """Publisher ``directory``: the file's name in it."""
    checksum_file: str = "SHA256SUMS"
    signature_file: str = "SHA256SUMS.gpg"
    """Detached signature of ``checksum_file``, beside it."""


@dataclass(frozen=True)
class Trust:
    """What has to be proved, and whose signature counts."""

    verify: str = "signature"
    """``signature``, ``checksum`` or ``none``."""
    checksum: str = ""
    """With ``verify: checksum``: the digest that the user gives, ``sha256:…`` or ``sha512:…``."""
    keyring: str = ""
    """Path of a keyring, armored or binary; empty: the publisher's keys shipped with the collection."""
    fingerprints: tuple[str, ...] = ()
    """Primary-key fingerprints that count; empty: every key of a given keyring, or the publisher's own."""


@dataclass(frozen=True)
class Proof:
    """Why an item is believed."""

    method: str
    """``signature``, ``checksum`` or ``none``."""
    file: str = ""
    """URL of the signed file that states the digest."""
    fingerprint: str = ""
    """Primary key that signed it."""
    signed_at: str = ""
    """When, as ``2024-08-22T03:28:23Z``."""
    index_file: str = ""
    """URL of the file that lists the serials, where the publisher has a catalog."""
    index_fingerprint: str = ""
    """Primary key that signed it."""
    index_updated: str = ""
    """When the publisher last changed the catalog, as it says itself; as ``signed_at``, so that later is greater.

    An answer with an earlier one than another answer for the same product is a replay, or a mirror that lags behind.
    """
    index_signed_at: str = ""

    @property
    def fingerprints(self) -> frozenset[str]:
        """Of every key that was needed for it."""
        return frozenset(filter(None, (self.fingerprint, self.index_fingerprint)))


@dataclass(frozen=True)
class Item:
    """One file of one serial of one product."""

    publisher: str
    product: str
    """Name of the product, such as ``com.ubuntu.cloud:server:24.04:amd64``; for a directory its URL."""
    serial: str
    file_type: str
    name: str
    """File name, the last part of the URL."""
    urls: tuple[str, ...]
    """The same file on each mirror, in the order in which to try them."""
    digest: str
    """``sha256:<hex>`` or ``sha512:<hex>`` of the file as published; may be empty with ``verify: none``."""
    size: int | None
    """Bytes as published, where the publisher tells."""
    proof: Proof
    release: str = ""
    version: str = ""
    release_title: str = ""
    lineage: str = ""
    arch: str = ""
    stream: str = ""
    aliases: tuple[str, ...] = field(default=())
    supported: bool | None = None
    support_eol: str = ""
    """ISO 8601 date."""
