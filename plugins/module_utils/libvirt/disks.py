# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the XML of a domain says of its disks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree


@dataclass(frozen=True)
class Disk:
    """One source of a disk: what the guest writes to, or a layer below that libvirt names."""

    format: str
    """``qcow2``, ``raw``; libvirt's default is raw."""
    path: str = ""
    """A file or block device of this host."""
    pool: str = ""
    volume: str = ""
    """Instead of a path: a volume of a storage pool."""
    network: str = ""
    """Instead of a path: protocol and name of a disk that QEMU reaches over the network."""


@dataclass(frozen=True)
class Named:
    """What one XML document names."""

    domain: str
    disks: tuple[Disk, ...]
    paths: frozenset[str]
    """Every absolute path anywhere in the document: kernels, loaders and so on."""


def named_in(xml: str) -> Named:
    """Read a domain's, a status or a snapshot's XML; raises ValueError when it is none."""
    try:
        root = ElementTree.fromstring(xml.encode("utf-8", "surrogateescape"))
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    domain = root if root.tag == "domain" else root.find(".//domain")
    name = (domain if domain is not None else root).findtext("name") or ""
    disks = [found for disk in root.iter("disk") for found in _sources(disk)]
    return Named(name, tuple(disks), frozenset(_paths(root)))


def _sources(disk: ElementTree.Element) -> Iterable[Disk]:
    """The disk's source, and those of the layers that ``backingStore`` and ``mirror`` tell of."""
    for holder in (disk, *disk.iter("backingStore"), *disk.iter("mirror")):
        source = holder.find("source")
        if source is None:
            continue
        driver = holder.find("driver")
        form = holder.find("format")
        told = form if form is not None else driver
        image_format = (told.get("type") if told is not None else None) or "raw"
        path = source.get("file") or source.get("dev")
        pool, volume = source.get("pool"), source.get("volume")
        if path is not None:
            yield Disk(image_format, path=path)
        elif pool is not None and volume is not None:
            yield Disk(image_format, pool=pool, volume=volume)
        elif source.get("protocol") is not None:
            yield Disk(image_format, network=f"{source.get('protocol')}:{source.get('name')}")


def _paths(root: ElementTree.Element) -> Iterable[str]:
    for element in root.iter():
        for text in (element.text, *element.attrib.values()):
            if text is not None and text.strip().startswith("/"):
                yield text.strip()
