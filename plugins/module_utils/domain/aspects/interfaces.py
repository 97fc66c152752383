# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who serves a domain's network interfaces, and with how many queues."""

from __future__ import annotations

import typing as t

from ...common.errors import BadRequestError
from ..document import Document, Known
from ..matching import MATCH_ALL, name_of, refuse_senseless
from ..model import Value, Wished
from ..options import given, number
from ..places import DEFAULT, Attribute, Number, Place

if t.TYPE_CHECKING:
    from lxml.etree import _Element as Element

_MATCHES = ("mac", "target", "alias", "model")
_MOST_QUEUES = 256


class Interfaces:
    option = "interfaces"
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
            "driver": {"type": "str", "choices": [DEFAULT, "vhost", "qemu"]},
            "queues": {"type": "str"},
        },
    }

    def places(self, document: Document) -> dict[str, Place]:
        found: dict[str, Place] = {}
        for mac in interfaces(document):
            driver = ("devices", Known("interface", "address", mac, inside="mac"), "driver")
            found[f"interfaces.{mac}.driver"] = Attribute(driver, "name")
            found[f"interfaces.{mac}.queues"] = Number(driver, "queues")
        return found

    def wished(self, options: list[dict[str, t.Any]], document: Document, option: str) -> dict[str, Wished]:
        wished: dict[str, Wished] = {}
        for at, entry in enumerate(options):
            where = f"{option}[{at}]"
            refuse_senseless([each["match"] for each in options[: at + 1]], where)
            values: dict[str, Value] = {}
            if entry.get("driver") is not None:
                values["driver"] = entry["driver"]
            if entry.get("queues") is not None:
                queues = number(entry["queues"], f"{where}.queues", 1, _MOST_QUEUES, DEFAULT)
                # libvirt writes down no single queue, which is what there is by default.
                values["queues"] = DEFAULT if queues == 1 else queues
            if not values:
                raise BadRequestError(f"{where} has a match and nothing else", "Say what the interfaces are to be like")
            for mac in self.matching(entry["match"], document):
                wished.update({f"interfaces.{mac}.{name}": Wished(value) for name, value in values.items()})
        return wished

    def matching(self, match: dict[str, t.Any], document: Document) -> list[str]:
        """The addresses of the interfaces that have all of what ``match`` says; one that is not there among them."""
        wanted = given(match)
        there = interfaces(document)
        if "mac" in wanted:
            wanted["mac"] = wanted["mac"].strip().lower()
            if wanted["mac"] not in there:
                return [wanted["mac"]]
        return [mac for mac, interface in there.items() if _fits(mac, interface, wanted)]

    def absent(self, knob: str, document: Document) -> str:
        mac = knob.partition(".")[2].rpartition(".")[0]
        return f"there is no interface {mac}: the domain has {', '.join(interfaces(document)) or 'none'}"


def interfaces(document: Document) -> dict[str, Element]:
    """The interfaces by their MAC addresses, in small letters as libvirt writes them."""
    found = {}
    for interface in document.all("devices", "interface"):
        mac = interface.find("mac")
        if mac is not None and mac.get("address"):
            found[str(mac.get("address"))] = interface
    return found


def model_of(interface: Element) -> str | None:
    model = interface.find("model")
    return None if model is None else model.get("type")


def _fits(mac: str, interface: Element, match: dict[str, t.Any]) -> bool:
    target = interface.find("target")
    found = {
        "mac": mac,
        "target": None if target is None else target.get("dev"),
        "alias": name_of(interface.find("alias")),
        "model": model_of(interface),
    }
    return all(found[name] == match[name] for name in _MATCHES if name in match)
