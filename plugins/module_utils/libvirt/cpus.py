# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt knows of guests' CPUs, which it asks when a domain starts, and not when it is defined."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Collection
from xml.etree import ElementTree

from .bindings import LibvirtError, in_our_words

_MODELS = {"x86_64": "qemu64", "i686": "qemu32"}
"""Any that libvirt knows, of the architectures whose features it has a list of."""


def cpu_models(connection: t.Any, arches: Collection[str]) -> frozenset[str]:
    """The names of the CPU models of these architectures; none where a driver has no list."""
    with contextlib.suppress(LibvirtError), in_our_words("the CPU models cannot be listed"):
        return frozenset(name for arch in sorted(arches) for name in connection.getCPUModelNames(arch))
    return frozenset()


def unknown_features(connection: t.Any, arches: Collection[str], names: Collection[str]) -> frozenset[str]:
    """Which of these CPU features libvirt knows on none of the architectures; none where it cannot be asked."""
    asked = [arch for arch in arches if arch in _MODELS]
    if not names or not asked or len(asked) < len(arches):
        return frozenset()
    found = frozenset(names)
    for arch in asked:
        if _takes(connection, arch, found):
            return frozenset()
        # Either one of them is at fault, or the question.
        able = _takes(connection, arch, ())
        found = frozenset(name for name in found if able and not _takes(connection, arch, (name,)))
    return found


def _takes(connection: t.Any, arch: str, names: Collection[str]) -> bool:
    """Whether libvirt reads a CPU that has these features. No call lists them, and every driver has this one."""
    cpu = ElementTree.Element("cpu")
    ElementTree.SubElement(cpu, "arch").text = arch
    ElementTree.SubElement(cpu, "model").text = _MODELS[arch]
    for name in sorted(names):
        ElementTree.SubElement(cpu, "feature", name=name)
    try:
        with in_our_words("a CPU cannot be read"):
            connection.baselineCPU([ElementTree.tostring(cpu, encoding="unicode")], 0)
    except LibvirtError:
        return False
    return True
