# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What CPUs the guest sees: model, features, topology, caches."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...common.cpuset import CpuSet
from ...common.errors import BadRequestError
from ..document import Document, Known, drop
from ..model import Value, Wished
from ..options import refuse_twice
from ..places import DEFAULT, Attribute, Place, Plain

HOST_PASSTHROUGH = "host-passthrough"
HOST_MODEL = "host-model"
MAXIMUM = "maximum"
CUSTOM = "custom"
_LEVELS = ("sockets", "dies", "cores", "threads")
_FEATURES = "cpu.features."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_OF_A_MODE = ("match", "check", "migratable", "deprecated_features")
_MOST = 4096


class Mode(Plain):
    """``host-passthrough``, ``host-model``, ``maximum``, or ``custom`` with the name of a model behind a blank."""

    def read(self, document: Document) -> Value:
        if _is_expanded(document) and document.find("cpu", "vendor") is not None:
            # What libvirt makes of host-model when the domain starts.
            return HOST_MODEL
        mode = document.attribute("mode", "cpu")
        model = document.find("cpu", "model")
        if mode == CUSTOM or (mode is None and model is not None):
            return f"{CUSTOM} {'' if model is None else (model.text or '').strip()}".strip()
        return mode or DEFAULT

    def write(self, document: Document, value: Value) -> None:
        if value == self.read(document):
            return
        mode, dummy, model = str(value).partition(" ")
        cpu = document.ensure("cpu")
        for name in (*_OF_A_MODE, "mode"):
            cpu.attrib.pop(name, None)
        if mode != DEFAULT:
            cpu.set("mode", mode)
        for tag in ("model", "vendor"):
            element = cpu.find(tag)
            if element is not None and (tag == "vendor" or mode != CUSTOM):
                document.remove("cpu", tag)
        if mode == CUSTOM:
            cpu.set("match", "exact")
            document.ensure("cpu", "model").text = model
        if mode == DEFAULT and not cpu.attrib and len(cpu) == 0:
            drop(cpu)


@dataclass(frozen=True)
class Topology:
    sockets: int
    dies: int
    cores: int
    threads: int
    clusters: int = 1

    @property
    def vcpus(self) -> int:
        return self.sockets * self.dies * self.clusters * self.cores * self.threads

    def __str__(self) -> str:
        text = f"sockets {self.sockets}, dies {self.dies}, cores {self.cores}, threads {self.threads}"
        # Only newer versions of libvirt have them, and no option here.
        return text if self.clusters == 1 else f"{text}, clusters {self.clusters}"


class TopologyPlace(Plain):
    def read(self, document: Document) -> Value:
        topology = topology_of(document)
        return DEFAULT if topology is None else str(topology)

    def write(self, document: Document, value: Value) -> None:
        if value == DEFAULT:
            document.remove("cpu", "topology")
            return
        element = document.ensure("cpu", "topology")
        element.attrib.pop("clusters", None)
        for name, number in (part.split(" ") for part in str(value).split(", ")):
            element.set(name, number)


class Cache(Plain):
    def read(self, document: Document) -> Value:
        return document.attribute("mode", "cpu", "cache") or DEFAULT

    def write(self, document: Document, value: Value) -> None:
        document.remove("cpu", "cache")
        if value == DEFAULT:
            return
        element = document.ensure("cpu", "cache")
        if value == "emulate":
            # libvirt knows no other.
            element.set("level", "3")
        element.set("mode", str(value))


@dataclass(frozen=True)
class Feature(Plain):
    name: str
    expanded: bool
    """Whether libvirt has put the features that QEMU reports in the place of those that were asked for."""

    def _attribute(self) -> Attribute:
        return Attribute(("cpu", Known("feature", "name", self.name)), "policy")

    def read(self, document: Document) -> Value:
        value = self._attribute().read(document)
        return "disable" if value == DEFAULT and self.expanded else value

    def write(self, document: Document, value: Value) -> None:
        self._attribute().write(document, value)

    def effective(self, value: Value, online: CpuSet) -> Value:
        return {"force": "require", "forbid": "disable"}.get(str(value), value) if self.expanded else value

    def agrees(self, value: Value, running: Value, online: CpuSet) -> bool:
        # What model and host decide cannot be told from what was asked for.
        undecided = self.expanded and value in (DEFAULT, "optional")
        return undecided or super().agrees(value, running, online)


class Cpu:
    option = "cpu"
    spec: t.ClassVar[dict[str, t.Any]] = {
        "type": "dict",
        "options": {
            "mode": {"type": "str", "choices": [HOST_PASSTHROUGH, HOST_MODEL, MAXIMUM, CUSTOM]},
            "model": {"type": "str"},
            "topology": {"type": "dict", "options": {name: {"type": "int"} for name in _LEVELS}},
            "cache": {"type": "str", "choices": [DEFAULT, "passthrough", "emulate", "disable"]},
            "features": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "policy": {
                        "type": "str",
                        "required": True,
                        "choices": [DEFAULT, "force", "require", "optional", "disable", "forbid"],
                    },
                },
            },
        },
        "required_if": [("mode", CUSTOM, ["model"])],
        "required_by": {"model": ["mode"]},
    }

    def places(self, document: Document) -> dict[str, Place]:
        found: dict[str, Place] = {"cpu.mode": Mode(), "cpu.topology": TopologyPlace(), "cpu.cache": Cache()}
        if not _is_expanded(document):
            found.update({_FEATURES + name: Feature(name, False) for name in features_of(document)})
        return found

    def wished(self, options: dict[str, t.Any], document: Document, option: str) -> dict[str, Wished]:
        wished: dict[str, Wished] = {}
        if options.get("mode") is not None:
            wished["cpu.mode"] = Wished(_mode(options, option))
        if options.get("topology") is not None:
            wished["cpu.topology"] = Wished(_topology(options["topology"], f"{option}.topology"))
        if options.get("cache") is not None:
            wished["cpu.cache"] = Wished(options["cache"])
        features = options.get("features") or []
        refuse_twice((feature["name"] for feature in features), f"{option}.features", "feature")
        for feature in features:
            name = _name(feature["name"], f"{option}.features")
            wished[_FEATURES + name] = Wished(feature["policy"])
        return wished

    def absent(self, knob: str, document: Document) -> str:
        # Every domain has them all.
        raise KeyError(knob)


def feature(knob: str, document: Document) -> Place | None:
    """The place of a feature, which may be any; None for other knobs."""
    name = knob[len(_FEATURES) :]
    return Feature(name, _is_expanded(document)) if knob.startswith(_FEATURES) else None


def features_of(document: Document, also: Iterable[str] = ()) -> list[str]:
    """The features that a definition names, and these knobs."""
    names = (element.get("name") for element in document.all("cpu", "feature"))
    return [*filter(None, names), *(knob[len(_FEATURES) :] for knob in also if knob.startswith(_FEATURES))]


def topology_of(document: Document) -> Topology | None:
    element = document.find("cpu", "topology")
    if element is None:
        return None
    return Topology(*(int(element.get(name) or 1) for name in (*_LEVELS, "clusters")))


def _is_expanded(document: Document) -> bool:
    """Whether this is a running domain's, whose CPU libvirt has spelled out."""
    return document.root.get("id") is not None and document.attribute("check", "cpu") == "full"


def _mode(options: Mapping[str, t.Any], option: str) -> str:
    mode, model = options["mode"], options.get("model")
    if mode != CUSTOM:
        if model is not None:
            raise BadRequestError(
                f"{option}.model is {model}, and {mode} has none", "Leave it out, or use mode: custom"
            )
        return str(mode)
    return f"{CUSTOM} {_name(model or '', f'{option}.model')}"


def _name(text: str, option: str) -> str:
    if not _NAME.fullmatch(text):
        raise BadRequestError(f"{option} has {text!r}, which is no name", "Use one that virsh cpu-models knows")
    return text


def _topology(options: Mapping[str, t.Any], option: str) -> str:
    numbers = [options.get(name) for name in _LEVELS]
    if all(number is None for number in numbers):
        return DEFAULT
    for name, number in zip(_LEVELS, numbers):
        if number is not None and not 1 <= number <= _MOST:
            raise BadRequestError(f"{option}.{name} is {number}", f"Give a whole number from 1 to {_MOST}")
    return str(Topology(*(1 if number is None else number for number in numbers)))
