# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The descriptor and the manifest of an OVF package.

The descriptor is one of OVF 1.1 (DMTF's DSP0243), which VMware's and other importers read; what VMware alone knows
stands in elements and attributes of its own namespace that others may skip.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from xml.etree import ElementTree

from ..common.errors import BadRequestError
from ..common.size import format_size, parse_size

_OVF = "http://schemas.dmtf.org/ovf/envelope/1"
_CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
_NAMESPACES = {
    "ovf": _OVF,
    "rasd": f"{_CIM}CIM_ResourceAllocationSettingData",
    "vssd": f"{_CIM}CIM_VirtualSystemSettingData",
    "vmw": "http://www.vmware.com/schema/ovf",
}
_STREAM_OPTIMIZED = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
_MIB = 1024 * 1024
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

SYSTEMS = {
    "linux": (101, "otherLinux64Guest", "Linux (64-bit)"),
    "ubuntu": (94, "ubuntu64Guest", "Ubuntu Linux (64-bit)"),
    "debian": (96, "debian10_64Guest", "Debian GNU/Linux (64-bit)"),
    "other": (102, "otherGuest64", "Other (64-bit)"),
}
"""CIM_OperatingSystem.OsType, VMware's identifier, and what people read, by what the user says."""
FIRMWARES = {"bios": "bios", "uefi": "efi"}
DISK_CONTROLLERS = {
    "pvscsi": (6, "VirtualSCSI", "SCSI controller"),
    "lsilogic": (6, "lsilogic", "SCSI controller"),
    "sata": (20, "vmware.sata.ahci", "SATA controller"),
}
NETWORK_CARDS = {"vmxnet3": "VmxNet3", "e1000": "E1000", "e1000e": "E1000e"}
LEAST_HARDWARE = {
    "disk_controller": {"pvscsi": 7, "sata": 10},
    "network_card": {"vmxnet3": 7, "e1000e": 8},
    "firmware": {"uefi": 8},
}
"""The first version of VMware's virtual hardware that has it; what is not named, every version has."""
_MOST_CARDS = 10
_CPU, _MEMORY, _NETWORK_CARD, _DISK = 3, 4, 10, 17
"""CIM_ResourceAllocationSettingData.ResourceType."""


@dataclass(frozen=True)
class Machine:
    """The virtual machine that the package describes."""

    name: str | None
    """None: as the package is called."""
    description: str
    os: str
    cpus: int
    memory: int
    """MiB."""
    firmware: str
    disk_controller: str
    network_card: str
    networks: tuple[str, ...]
    """One network card for each, in this order."""
    hwversion: int

    def as_record(self) -> dict[str, t.Any]:
        return {**asdict(self), "networks": list(self.networks)}


@dataclass(frozen=True)
class DiskFile:
    """The package's disk."""

    name: str
    """Not quoted: importers take it for the name in the archive as it stands."""
    size: int
    """Bytes of the file."""
    capacity: int
    """Bytes of the disk that the guest sees."""


def machine_from(given: Mapping[str, t.Any], hwversion: int, where: str) -> Machine:
    """The machine of an option ``machine``, which may lack any key; ``where`` names it. Raises BadRequestError."""
    memory = parse_size(given.get("memory") or "1G", f"{where}.memory")
    machine = Machine(
        name=given.get("name"),
        description=given.get("description") or "",
        os=given.get("os") or "linux",
        cpus=1 if given.get("cpus") is None else given["cpus"],
        memory=memory // _MIB,
        firmware=given.get("firmware") or "bios",
        disk_controller=given.get("disk_controller") or "pvscsi",
        network_card=given.get("network_card") or "vmxnet3",
        networks=tuple(["VM Network"] if given.get("networks") is None else given["networks"]),
        hwversion=hwversion,
    )
    if machine.cpus < 1:
        raise BadRequestError(f"{where}.cpus is {machine.cpus}", "Give a number from 1 on")
    if memory % (4 * _MIB) or not memory:
        raise BadRequestError(
            f"{where}.memory is {format_size(memory)}, which VMware does not take", "Give a multiple of 4M"
        )
    if len(machine.networks) > _MOST_CARDS:
        raise BadRequestError(
            f"{where}.networks has {len(machine.networks)} networks", f"A machine has {_MOST_CARDS} cards at the most"
        )
    for option, text in (("name", machine.name), ("description", machine.description)):
        _require_text(text, f"{where}.{option}")
    for index, network in enumerate(machine.networks):
        _require_text(network, f"{where}.networks[{index}]")
    if machine.name == "" or "" in machine.networks:
        raise BadRequestError(f"{where} has an empty name", "Leave it out, or give one")
    _require_hardware(machine, where)
    return machine


def _require_hardware(machine: Machine, where: str) -> None:
    """Raise BadRequestError for parts that are younger than the machine: VMware refuses to import that."""
    for option, least in LEAST_HARDWARE.items():
        chosen = getattr(machine, option)
        if machine.hwversion < least.get(chosen, 0) and (machine.networks or option != "network_card"):
            raise BadRequestError(
                f"{where}.{option} is {chosen}, which VMware's hardware of hwversion {machine.hwversion} has not",
                f"Set hwversion to {least[chosen]} or more, or {option} to another one",
            )


def _require_text(text: str | None, where: str) -> None:
    if text is not None and _NOT_IN_XML.search(text):
        raise BadRequestError(f"{where} has a character that XML cannot hold: {text!r}", "Leave it out")


def descriptor(machine: Machine, name: str, disk: DiskFile) -> bytes:
    """The ``.ovf`` of a package called ``name``, which consists of one machine with one disk."""
    title = machine.name or name
    envelope = ElementTree.Element(_tag("ovf:Envelope"))
    references = _element(envelope, "ovf:References")
    file = {"ovf:id": "file1", "ovf:href": disk.name, "ovf:size": str(disk.size)}
    _element(references, "ovf:File", file)
    _disk_section(envelope, disk)
    networks = _section(envelope, "ovf:NetworkSection", "Networks of the virtual machine")
    for network in dict.fromkeys(machine.networks):
        _element(networks, "ovf:Network", {"ovf:name": network})
    system = _section(envelope, "ovf:VirtualSystem", "A virtual machine", {"ovf:id": name})
    _element(system, "ovf:Name", text=title)
    number, vmware, said = SYSTEMS[machine.os]
    kind = {"ovf:id": str(number), "vmw:osType": vmware}
    _element(_section(system, "ovf:OperatingSystemSection", "Operating system", kind), "ovf:Description", text=said)
    _hardware_section(system, machine, title)
    if machine.description:
        annotation = _section(system, "ovf:AnnotationSection", "Description")
        _element(annotation, "ovf:Annotation", text=machine.description)
    ElementTree.indent(envelope)
    for prefix, namespace in _NAMESPACES.items():
        ElementTree.register_namespace(prefix, namespace)
    text: bytes = ElementTree.tostring(envelope, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _disk_section(envelope: ElementTree.Element, disk: DiskFile) -> None:
    attributes = {
        "ovf:diskId": "vmdisk1",
        "ovf:fileRef": "file1",
        "ovf:capacity": str(disk.capacity),
        "ovf:capacityAllocationUnits": "byte",
        "ovf:format": _STREAM_OPTIMIZED,
    }
    _element(_section(envelope, "ovf:DiskSection", "Disks of the virtual machine"), "ovf:Disk", attributes)


def _hardware_section(system: ElementTree.Element, machine: Machine, title: str) -> None:
    section = _section(system, "ovf:VirtualHardwareSection", "Virtual hardware")
    family = _element(section, "ovf:System")
    for key, value in (
        ("ElementName", "Virtual Hardware Family"),
        ("InstanceID", "0"),
        ("VirtualSystemIdentifier", title),
        ("VirtualSystemType", f"vmx-{machine.hwversion:02}"),
    ):
        _element(family, f"vssd:{key}", text=value)
    for number, item in enumerate(_items(machine), start=1):
        found = _element(section, "ovf:Item")
        # The schema wants them in the order of the alphabet.
        for key, value in sorted({**item, "InstanceID": number}.items()):
            _element(found, f"rasd:{key}", text=str(value))
    firmware = {"ovf:required": "false", "vmw:key": "firmware", "vmw:value": FIRMWARES[machine.firmware]}
    _element(section, "vmw:Config", firmware)


def _items(machine: Machine) -> Iterable[dict[str, t.Any]]:
    """The machine's parts, each but for its number, which is its place from 1 on."""
    yield {
        "AllocationUnits": "hertz * 10^6",
        "Description": "Number of virtual CPUs",
        "ElementName": f"{machine.cpus} virtual CPU(s)",
        "ResourceType": _CPU,
        "VirtualQuantity": machine.cpus,
    }
    yield {
        "AllocationUnits": "byte * 2^20",
        "Description": "Memory size",
        "ElementName": f"{machine.memory} MB of memory",
        "ResourceType": _MEMORY,
        "VirtualQuantity": machine.memory,
    }
    kind, model, said = DISK_CONTROLLERS[machine.disk_controller]
    yield {"Address": 0, "ElementName": f"{said} 0", "ResourceSubType": model, "ResourceType": kind}
    yield {
        "AddressOnParent": 0,
        "ElementName": "Hard disk 1",
        "HostResource": "ovf:/disk/vmdisk1",
        "Parent": 3,
        "ResourceType": _DISK,
    }
    for number, network in enumerate(machine.networks, start=1):
        yield {
            "AddressOnParent": 6 + number,
            "AutomaticAllocation": "true",
            "Connection": network,
            "ElementName": f"Network adapter {number}",
            "ResourceSubType": NETWORK_CARDS[machine.network_card],
            "ResourceType": _NETWORK_CARD,
        }


def manifest(digests: Iterable[tuple[str, str]]) -> bytes:
    """The ``.mf`` of a package: name and SHA-256 (hexadecimal) of each of its files."""
    return "".join(f"SHA256({name})= {digest}\n" for name, digest in digests).encode()


def _section(
    parent: ElementTree.Element, name: str, info: str, attributes: Mapping[str, str] | None = None
) -> ElementTree.Element:
    section = _element(parent, name, attributes)
    _element(section, "ovf:Info", text=info)
    return section


def _element(
    parent: ElementTree.Element, name: str, attributes: Mapping[str, str] | None = None, text: str | None = None
) -> ElementTree.Element:
    given = {_tag(key): value for key, value in (attributes or {}).items()}
    element = ElementTree.SubElement(parent, _tag(name), given)
    element.text = text
    return element


def _tag(name: str) -> str:
    prefix, dummy, local = name.partition(":")
    return f"{{{_NAMESPACES[prefix]}}}{local}"
