# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.simplestreams import (
    IMAGE_DOWNLOADS,
    parse_index,
    parse_products,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import VerificationError

URL = "https://example.com/streams/v1/x.sjson"
NOBLE = "com.ubuntu.cloud:server:24.04:amd64"
SERIAL = "20240821"

ITEM = {"ftype": "disk1.img", "path": "server/releases/noble/noble.img", "sha256": "a" * 64, "size": 12, "md5": "x"}
PRODUCTS: dict[str, t.Any] = {
    "format": "products:1.0",
    "updated": "Thu, 22 Aug 2024 03:28:23 +0000",
    "products": {
        NOBLE: {
            "aliases": "24.04,n,noble,lts,default",
            "arch": "amd64",
            "release": "noble",
            "release_title": "24.04 LTS",
            "support_eol": "2029-05-31",
            "supported": True,
            "version": "24.04",
            "versions": {
                SERIAL: {"items": {"disk1.img": ITEM, "other": {**ITEM, "ftype": "vmdk", "size": None}}},
                "20240523.1": {"items": {}},
            },
        }
    },
}
INDEX: dict[str, t.Any] = {
    "format": "index:1.0",
    "updated": "Thu, 22 Aug 2024 05:28:23 +0200",
    "index": {
        "com.ubuntu.cloud:released:download": {
            "datatype": "image-downloads",
            "format": "products:1.0",
            "path": "streams/v1/com.ubuntu.cloud:released:download.sjson",
            "products": [NOBLE],
        }
    },
}


def changed(document: dict[str, t.Any], path: str, value: object) -> bytes:
    """The document as JSON with the value at ``path`` (keys with slashes between) set, or dropped if it is ``...``."""
    result = copy.deepcopy(document)
    *above, last = path.split("/")
    at = result
    for key in above:
        at = at[key]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return json.dumps(result).encode()


def test_an_index() -> None:
    index = parse_index(json.dumps(INDEX).encode(), URL)
    assert index.updated == "2024-08-22T03:28:23Z"
    (entry,) = index.entries
    assert (entry.datatype, entry.products) == (IMAGE_DOWNLOADS, (NOBLE,))
    assert entry.path == "streams/v1/com.ubuntu.cloud:released:download.sjson"


def test_products() -> None:
    products = parse_products(json.dumps(PRODUCTS).encode(), URL)
    assert products.updated == "2024-08-22T03:28:23Z"
    (noble,) = products.products
    assert (noble.name, noble.lineage, noble.arch, noble.release) == (NOBLE, "server", "amd64", "noble")
    assert noble.aliases == ("24.04", "n", "noble", "lts", "default")
    assert noble.serials == [SERIAL, "20240523.1"]
    assert noble.file_types(SERIAL) == ["disk1.img", "vmdk"]
    assert noble.file_types("20240523.1") == []
    item = noble.item(SERIAL, "disk1.img")
    assert (item.path, item.sha256, item.size) == (ITEM["path"], "a" * 64, 12)
    assert noble.item(SERIAL, "vmdk").size is None


def test_what_need_not_be_there() -> None:
    document = copy.deepcopy(PRODUCTS)
    del document["updated"]
    for key in ("aliases", "release_title", "support_eol", "supported"):
        del document["products"][NOBLE][key]
    products = parse_products(json.dumps(document).encode(), URL)
    assert products.updated == ""
    assert (products.products[0].aliases, products.products[0].supported) == ((), None)


ITEM_AT = f"products/{NOBLE}/versions/{SERIAL}/items/disk1.img"


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("format", "products:2.0", "its format is 'products:2.0'"),
        ("updated", "yesterday", "updated 'yesterday' is not a date"),
        ("updated", 7, "updated is not a text"),
        ("products", [], "products of the document is not an object"),
        ("products", ..., "the document has no products"),
        (f"products/{NOBLE}", [], f"{NOBLE} is not an object"),
        (f"products/{NOBLE}/arch", ..., f"{NOBLE} has no arch"),
        (f"products/{NOBLE}/versions", "x", f"versions of {NOBLE} is not an object"),
        (f"products/{NOBLE}/versions/{SERIAL}", 1, f"{NOBLE}, serial {SERIAL} is not an object"),
        (f"products/{NOBLE}/versions/{SERIAL}/items", ..., f"{NOBLE}, serial {SERIAL} has no items"),
        (f"{ITEM_AT}/ftype", ..., f"{NOBLE}, serial {SERIAL}, disk1.img has no ftype"),
        (f"{ITEM_AT}/path", ..., f"{NOBLE}, serial {SERIAL}, disk1.img has no path"),
        (f"{ITEM_AT}/path", "../../etc/passwd", "leads out of the publisher's tree"),
        (f"{ITEM_AT}/path", "/etc/passwd", "leads out of the publisher's tree"),
        (f"{ITEM_AT}/path", "http://evil.example.com/x", "leads out of the publisher's tree"),
        (f"{ITEM_AT}/sha256", "abc", "sha256 'abc' of"),
        (f"{ITEM_AT}/size", "12", "size '12' of"),
        (f"{ITEM_AT}/size", -1, "size -1 of"),
        (f"{ITEM_AT}/size", True, "size True of"),
    ],
)
def test_products_of_another_shape_are_refused(path: str, value: object, reason: str) -> None:
    with pytest.raises(VerificationError) as caught:
        parse_products(changed(PRODUCTS, path, value), URL).products[0].item(SERIAL, "disk1.img")
    assert caught.value.cause.startswith(f"{URL} is not a simplestreams document that can be read: ")
    assert reason in caught.value.cause


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("format", ..., "its format is None"),
        ("index", ..., "the document has no index"),
        ("index/com.ubuntu.cloud:released:download/path", "../x", "leads out of the publisher's tree"),
        ("index/com.ubuntu.cloud:released:download/products", [1], "is not a list of names"),
    ],
)
def test_an_index_of_another_shape_is_refused(path: str, value: object, reason: str) -> None:
    with pytest.raises(VerificationError, match=reason):
        parse_index(changed(INDEX, path, value), URL)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"<html>", b"\xff\xfe", b"[" * 100000])
def test_what_is_not_json_is_refused(content: bytes) -> None:
    for parse in (parse_index, parse_products):
        with pytest.raises(VerificationError, match="is not a simplestreams document"):
            parse(content, URL)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
PLACES = [
    "format",
    "updated",
    "products",
    f"products/{NOBLE}",
    *(f"products/{NOBLE}/{key}" for key in PRODUCTS["products"][NOBLE]),
]
PLACES += [f"products/{NOBLE}/versions/{SERIAL}", ITEM_AT, *(f"{ITEM_AT}/{key}" for key in ITEM)]


@given(st.sampled_from(PLACES), JSON)
def test_any_value_anywhere_is_read_or_refused(place: str, value: object) -> None:
    try:
        for product in parse_products(changed(PRODUCTS, place, value), URL).products:
            for serial in product.serials:
                for file_type in product.file_types(serial):
                    product.item(serial, file_type)
    except VerificationError:
        pass
