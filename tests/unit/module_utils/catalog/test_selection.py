# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.model import Request
from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.selection import select
from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.simplestreams import Product
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError


def product(
    release: str,
    version: str,
    aliases: str,
    *,
    arch: str = "amd64",
    lineage: str = "server",
    supported: bool = True,
    serials: tuple[str, ...] = ("20240821", "20240523", "20240523.1"),
    file_types: str = "disk1.img vmdk",
) -> Product:
    items = {ftype: {"ftype": ftype, "path": f"{release}/{ftype}", "sha256": "a" * 64} for ftype in file_types.split()}
    return Product(
        name=f"com.ubuntu.cloud:{lineage}:{version}:{arch}",
        lineage=lineage,
        arch=arch,
        release=release,
        version=version,
        release_title=version,
        aliases=tuple(aliases.split(",")),
        supported=supported,
        support_eol="",
        versions={serial: {"items": items} for serial in serials},
    )


PRODUCTS = [
    product("jammy", "22.04", "22.04,j,jammy", file_types="disk1.img disk-kvm.img"),
    product("noble", "24.04", "24.04,n,noble,lts,default"),
    product("noble", "24.04", "24.04,n,noble,lts,default", arch="arm64"),
    product("noble", "24.04", "24.04,n,noble,lts,default", lineage="minimal"),
    product("natty", "11.04", "11.04,n,natty", supported=False),
    product("dapper", "6.06", "6.06,d,dapper", supported=False),
]
NOBLE = Request(release="noble", arch="amd64")


@pytest.mark.parametrize("release", ["noble", "24.04", "lts", "default", "Noble", "LTS"])
def test_codename_version_and_alias_mean_the_same(release: str) -> None:
    (chosen,) = select(PRODUCTS, dataclasses.replace(NOBLE, release=release))
    assert (chosen.product.release, chosen.serial, chosen.item.file_type) == ("noble", "20240821", "disk1.img")


def test_latest_is_the_greatest_as_a_plain_string() -> None:
    products = [product("noble", "24.04", "", serials=("20240523", "20240523.1", "20231231"))]
    (chosen,) = select(products, NOBLE)
    assert chosen.serial == "20240523.1"


def test_all_serials_newest_first() -> None:
    chosen = select(PRODUCTS, dataclasses.replace(NOBLE, serial="all"))
    assert [each.serial for each in chosen] == ["20240821", "20240523.1", "20240523"]


def test_everything() -> None:
    chosen = select(PRODUCTS, Request(release="all", arch="all", file_type="all"))
    found = [(each.product.version, each.product.arch, each.item.file_type) for each in chosen]
    assert found[0] == ("24.04", "arm64", "disk1.img")
    assert [version for version, _arch, _file_type in found] == ["24.04"] * 4 + ["22.04"] * 2 + ["11.04"] * 2 + [
        "6.06"
    ] * 2


@pytest.mark.parametrize(
    ("change", "cause", "way_out"),
    [
        ({"release": "zesty"}, "there is no release 'zesty'", "Supported are noble (24.04), jammy (22.04)"),
        ({"release": "n"}, "the alias 'n' means more than one release", "noble (24.04), natty (11.04)"),
        ({"lineage": "core"}, "the released stream has no lineage core", "It has minimal, server"),
        (
            {"arch": "s390x"},
            "noble (24.04), lineage server, stream released, is not there for the architecture s390x",
            "amd64, arm64",
        ),
        (
            {"serial": "20200101"},
            "has no serial 20200101, or has it no longer",
            "There are 20240821, 20240523.1, 20240523;",
        ),
        (
            {"file_type": "disk-kvm.img"},
            "has no file of type disk-kvm.img in its latest serial, 20240821",
            "It has disk1.img, vmdk",
        ),
        ({"file_type": "x", "serial": "20240523"}, "has no file of type x", "It has disk1.img, vmdk"),
    ],
)
def test_what_is_not_there_is_told_with_what_there_is(change: dict[str, str], cause: str, way_out: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        select(PRODUCTS, dataclasses.replace(NOBLE, **change))  # type: ignore[arg-type]
    assert cause in caught.value.cause
    assert way_out in caught.value.way_out


def test_a_file_type_that_only_an_older_serial_has() -> None:
    noble = product("noble", "24.04", "", serials=("20240821",))
    older = product("noble", "24.04", "", serials=("20240101",), file_types="disk1.img ova")
    both = dataclasses.replace(noble, versions={**noble.versions, **older.versions})
    with pytest.raises(BadRequestError, match=r"The newest serial that has it is 20240101\. It has disk1.img, vmdk"):
        select([both], dataclasses.replace(NOBLE, file_type="ova"))


def test_many_serials_are_not_all_listed() -> None:
    products = [product("noble", "24.04", "", serials=tuple(f"202401{day:02}" for day in range(1, 31)))]
    with pytest.raises(BadRequestError, match="20240121 and 20 older ones"):
        select(products, dataclasses.replace(NOBLE, serial="20230101"))


def test_a_product_without_serials() -> None:
    with pytest.raises(BadRequestError, match="has no serial yet"):
        select([product("noble", "24.04", "", serials=())], NOBLE)
