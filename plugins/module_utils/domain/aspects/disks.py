# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How QEMU reads and writes the files and devices behind a domain's disks."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.errors import BadRequestError
from ..document import Document, Known
from ..matching import MATCH_ALL, name_of, refuse_senseless
from ..model import Value, Wished
from ..options import given, number
from ..places import DEFAULT, NONE, Attribute, Number, Place

if t.TYPE_CHECKING:
    from lxml.etree import _Element as Element

CACHES = (DEFAULT, "none", "writeback", "writethrough", "directsync", "unsafe")
_MATCHES = ("target", "source", "alias", "bus")
_KINDS = (None, "disk", "lun")
"""The attribute device of what is a disk to its guest; the others are CD-ROM and floppy drives."""
_SOURCES = ("file", "dev", "name", "dir", "volume")
_SERVED_ELSEWHERE = "vhostuser"
"""QEMU has no cache for it, nor anything else of what can be asked."""
_MOST_QUEUES = 1024
"""Of a virtio device (VIRTIO_QUEUE_MAX in QEMU)."""


class Disks:
    option = "disks"
    spec: t.ClassVar[dict[str, t.Any]] = {
        "type": "list",
        "elements": "dict",
        "options": {
            "match": {
                "type": "dict",
                "required": True,
                "options": {**{name: {"type": "str"} for name in _MATCHES}, **MATCH_ALL},
                "required_one_of": [(*_MATCHES, "all")],
            },
            "cache": {"type": "str", "choices": list(CACHES)},
            "io": {"type": "str", "choices": [DEFAULT, "threads", "native", "io_uring"]},
            "discard": {"type": "str", "choices": [DEFAULT, "ignore", "unmap"]},
            "detect_zeroes": {"type": "str", "choices": [DEFAULT, "off", "on", "unmap"]},
            "error_policy": {"type": "str", "choices": [DEFAULT, "stop", "report", "ignore", "enospace"]},
            "iothread": {"type": "str"},
            "queues": {"type": "str"},
        },
    }

    def places(self, document: Document) -> dict[str, Place]:
        return {
            f"disks.{target}.{name}": place for target in targets(document) for name, place in _places(target).items()
        }

    def wished(self, options: list[dict[str, t.Any]], document: Document, option: str) -> dict[str, Wished]:
        wished: dict[str, Wished] = {}
        for at, entry in enumerate(options):
            where = f"{option}[{at}]"
            refuse_senseless([each["match"] for each in options[: at + 1]], where)
            values = dict(_values(entry, where))
            if not values:
                raise BadRequestError(f"{where} has a match and nothing else", "Say what the disks are to be like")
            for target in self.matching(entry["match"], document):
                wished.update({f"disks.{target}.{name}": Wished(value) for name, value in values.items()})
        return wished

    def matching(self, match: dict[str, t.Any], document: Document) -> list[str]:
        """The targets of the disks that have all of what ``match`` says.

        A target that the domain does not have is one of them. Drives for CD-ROMs and floppies, and disks that another
        process serves, are none, unless they are named by target, source or alias.
        """
        wanted = given(match)
        disks = targets(document)
        if "target" in wanted and wanted["target"] not in disks:
            return [wanted["target"]]
        by_name = wanted.keys() & {"target", "source", "alias"}
        return [
            target
            for target, disk in disks.items()
            if (by_name or (disk.get("device") in _KINDS and disk.get("type") != _SERVED_ELSEWHERE))
            and _fits(target, disk, wanted)
        ]

    def absent(self, knob: str, document: Document) -> str:
        return f"there is no disk {knob.split('.')[1]}: the domain has {', '.join(targets(document)) or 'none'}"


def targets(document: Document) -> dict[str, Element]:
    """The disks by the names that their guest may see, CD-ROM and floppy drives among them."""
    found = {}
    for disk in document.all("devices", "disk"):
        target = disk.find("target")
        if target is not None and target.get("dev"):
            found[str(target.get("dev"))] = disk
    return found


def source_of(disk: Element) -> str | None:
    """The file, device, or name that a disk's data is in."""
    source = disk.find("source")
    if source is None:
        return None
    return next((str(source.get(name)) for name in _SOURCES if source.get(name)), None)


def bus_of(disk: Element) -> str | None:
    target = disk.find("target")
    return None if target is None else target.get("bus")


def _places(target: str) -> dict[str, Place]:
    driver = ("devices", Known("disk", "dev", target, inside="target"), "driver")
    words = ("cache", "io", "discard", "detect_zeroes", "error_policy")
    return {
        **{name: Attribute(driver, name) for name in words},
        "iothread": Number(driver, "iothread", NONE),
        "queues": Number(driver, "queues"),
    }


def _values(entry: dict[str, t.Any], option: str) -> Iterator[tuple[str, Value]]:
    for name, value in given(entry).items():
        if name == "iothread":
            yield name, number(value, f"{option}.iothread", 1, 2**16, NONE)
        elif name == "queues":
            yield name, number(value, f"{option}.queues", 1, _MOST_QUEUES, DEFAULT)
        elif name != "match":
            yield name, value


def _fits(target: str, disk: Element, match: dict[str, t.Any]) -> bool:
    found = {
        "target": target,
        "source": source_of(disk),
        "alias": name_of(disk.find("alias")),
        "bus": bus_of(disk),
    }
    return all(found[name] == match[name] for name in _MATCHES if name in match)
