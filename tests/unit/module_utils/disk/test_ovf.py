# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.disk.ovf import (
    DISK_CONTROLLERS,
    FIRMWARES,
    NETWORK_CARDS,
    SYSTEMS,
    DiskFile,
    descriptor,
    machine_from,
    manifest,
)
from ansible_collections.goldsmith.kvm.tests.fixtures.ovf import complaints

DISK = DiskFile("web-disk1.vmdk", 5_461_504, 10 * 1024**3)
NAMESPACES = {
    "ovf": "http://schemas.dmtf.org/ovf/envelope/1",
    "rasd": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData",
    "vssd": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData",
    "vmw": "http://www.vmware.com/schema/ovf",
}
# What XML can hold, less the carriage return, which its readers turn into a line feed.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1)


def found(document: bytes, path: str) -> list[str]:
    return [str(value) for value in etree.fromstring(document).xpath(path, namespaces=NAMESPACES)]


def write(hwversion: int = 13, **given: t.Any) -> bytes:
    return descriptor(machine_from(given, hwversion, "machine"), "web", DISK)


def test_what_is_asked_stands_in_the_descriptor() -> None:
    document = write(
        17,
        name="Web",
        description="two\nlines",
        os="ubuntu",
        cpus=4,
        memory="6G",
        firmware="uefi",
        disk_controller="sata",
        network_card="e1000e",
        networks=["Front", "Back", "Front"],
    )
    assert complaints(document) == []
    for path, values in {
        "//ovf:File/@ovf:href": ["web-disk1.vmdk"],
        "//ovf:File/@ovf:size": ["5461504"],
        "//ovf:Disk/@ovf:capacity": ["10737418240"],
        "//ovf:VirtualSystem/@ovf:id": ["web"],
        "//ovf:VirtualSystem/ovf:Name/text()": ["Web"],
        "//ovf:OperatingSystemSection/@ovf:id": ["94"],
        "//ovf:OperatingSystemSection/@vmw:osType": ["ubuntu64Guest"],
        "//vssd:VirtualSystemType/text()": ["vmx-17"],
        "//ovf:Item[rasd:ResourceType=3]/rasd:VirtualQuantity/text()": ["4"],
        "//ovf:Item[rasd:ResourceType=4]/rasd:VirtualQuantity/text()": ["6144"],
        "//ovf:Item[rasd:ResourceType=20]/rasd:ResourceSubType/text()": ["vmware.sata.ahci"],
        "//ovf:Item[rasd:ResourceType=10]/rasd:Connection/text()": ["Front", "Back", "Front"],
        "//ovf:Item[rasd:ResourceType=10]/rasd:ResourceSubType/text()": ["E1000e"] * 3,
        "//ovf:Network/@ovf:name": ["Front", "Back"],
        "//vmw:Config[@vmw:key='firmware']/@vmw:value": ["efi"],
        "//ovf:Annotation/text()": ["two\nlines"],
    }.items():
        assert found(document, path) == values, path


@given(
    name=texts,
    description=st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")),
    networks=st.lists(texts, max_size=10),
    os=st.sampled_from(list(SYSTEMS)),
    firmware=st.sampled_from(list(FIRMWARES)),
    disk_controller=st.sampled_from(list(DISK_CONTROLLERS)),
    network_card=st.sampled_from(list(NETWORK_CARDS)),
    cpus=st.integers(1, 256),
    memory=st.integers(1, 1 << 20).map(lambda count: f"{4 * count}M"),
)
def test_every_machine_is_valid_and_no_text_becomes_an_element(**asked: t.Any) -> None:
    document = write(**asked)
    assert complaints(document) == []
    assert found(document, "//ovf:VirtualSystem/ovf:Name/text()") == [asked["name"]]
    assert found(document, "//ovf:Annotation/text()") == ([asked["description"]] if asked["description"] else [])
    assert found(document, "//ovf:Item/rasd:Connection/text()") == asked["networks"]
    plain = write(**{**asked, "name": "x", "description": "x" if asked["description"] else ""})
    assert len(found(document, "//*/@*")) == len(found(plain, "//*/@*"))


def test_equal_machines_give_equal_bytes() -> None:
    assert write(name="web") == write(name="web")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"cpus": 0}, r"machine\.cpus is 0"),
        ({"memory": "1023M"}, r"machine\.memory is 1023 MiB, which VMware does not take|is 0\.999 GiB"),
        ({"memory": "0"}, r"machine\.memory is 0 B"),
        ({"memory": "much"}, r"machine\.memory is 'much', which is not a size"),
        ({"networks": ["n"] * 11}, r"machine\.networks has 11 networks"),
        ({"networks": [""]}, r"machine has an empty name"),
        ({"name": ""}, r"machine has an empty name"),
        ({"name": "a\0b"}, r"machine\.name has a character that XML cannot hold: 'a\\x00b'"),
        ({"description": "\x1b[31m"}, r"machine\.description has a character"),
        ({"networks": ["a", "\ud800"]}, r"machine\.networks\[1\] has a character"),
    ],
)
def test_what_no_machine_has_is_refused(asked: dict[str, t.Any], message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        machine_from(asked, 13, "machine")


@pytest.mark.parametrize(
    ("part", "least"),
    [
        ({"disk_controller": "lsilogic"}, 4),
        ({"disk_controller": "pvscsi"}, 7),
        ({"disk_controller": "sata"}, 10),
        ({"network_card": "e1000"}, 4),
        ({"network_card": "vmxnet3"}, 7),
        ({"network_card": "e1000e"}, 8),
        ({"firmware": "bios"}, 4),
        ({"firmware": "uefi"}, 8),
    ],
)
def test_a_part_that_the_hardware_is_too_old_for(part: dict[str, str], least: int) -> None:
    ((option, chosen),) = part.items()
    asked = {"disk_controller": "lsilogic", "network_card": "e1000", **part}
    assert b"<vssd:VirtualSystemType>vmx-%02d<" % least in write(least, **asked)
    for version in range(4, least):
        with pytest.raises(BadRequestError) as refused:
            machine_from(asked, version, "outputs[0].machine")
        assert refused.value.cause == (
            f"outputs[0].machine.{option} is {chosen}, which VMware's hardware of hwversion {version} has not"
        )
        assert refused.value.way_out == f"Set hwversion to {least} or more, or {option} to another one"


def test_without_a_network_no_card_is_too_young() -> None:
    assert machine_from({"disk_controller": "lsilogic", "networks": []}, 4, "machine").networks == ()
    with pytest.raises(BadRequestError, match="disk_controller is pvscsi"):
        machine_from({}, 4, "machine")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b'ovf:fileRef="file1"', b'ovf:fileRef="file2"', "files-of-disks"),
        (b"<rasd:Parent>3<", b"<rasd:Parent>9<", "parents"),
        (b"<rasd:Connection>VM Network<", b"<rasd:Connection>Other<", "networks-of-cards"),
        (b"<rasd:ResourceType>3<", b"<rasd:ResourceType>three<", "not a valid"),
        (b' ovf:size="5461504"', b' ovf:size="-1"', "not a valid"),
        (b' ovf:id="101"', b"", "required but missing"),
        (b"<ovf:Info>Virtual hardware</ovf:Info>", b"", "Info"),
    ],
)
def test_the_schema_finds_what_is_wrong(before: bytes, after: bytes, said: str) -> None:
    document = write()
    assert before in document
    assert said in " ".join(complaints(document.replace(before, after)))


def test_manifest() -> None:
    assert manifest([("a.ovf", "00ff"), ("a-disk1.vmdk", "11ee")]) == (
        b"SHA256(a.ovf)= 00ff\nSHA256(a-disk1.vmdk)= 11ee\n"
    )
