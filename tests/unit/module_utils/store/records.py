# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records as the tests of the store need them."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.model import Item, Proof
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.files import Identity
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.images import Image

SIGNED = Proof(
    "signature",
    file="https://mirror/SHA256SUMS",
    fingerprint="A" * 40,
    index_file="https://mirror/products.sjson",
    index_fingerprint="B" * 40,
    index_updated="2026-09-06T01:30:03Z",
)
TIME = "2026-09-07T05:11:40Z"


def digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def item(release: str = "noble", serial: str = "20260905", **more: t.Any) -> Item:
    """A signed server image of Ubuntu."""
    version = {"jammy": "22.04", "noble": "24.04", "resolute": "26.04"}[release]
    name = f"ubuntu-{version}-server-cloudimg-amd64.img"
    values: dict[str, t.Any] = {
        "publisher": "ubuntu",
        "product": f"com.ubuntu.cloud:server:{version}:amd64",
        "serial": serial,
        "file_type": "disk1.img",
        "name": name,
        "urls": (f"https://mirror/{serial}/{name}",),
        "digest": digest_of(release + serial),
        "size": 1000,
        "proof": SIGNED,
        "release": release,
        "version": version,
        "lineage": "server",
        "arch": "amd64",
        "stream": "released",
        "aliases": (version, release[0], release),
    }
    return Item(**{**values, **more})


def image(*sources: Item, digest: str = "", added: str = TIME, last_used: str = TIME) -> Image:
    """An image with these sources, its digest that of the first one."""
    digest = digest or sources[0].digest
    return Image(digest, 1000, Identity(1, 1000, 1), "qcow2", 2000, sources, added, last_used)
