# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain's XML, edited in place: what is not touched stays as it was, byte for byte."""

from __future__ import annotations

import contextlib
import copy
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass

from ..common.errors import BadRequestError

# Modules ask common/interpreter.py for a Python that has it.
with contextlib.suppress(ImportError):
    from lxml import etree

if t.TYPE_CHECKING:
    from lxml.etree import _Element as Element

_INDENT = "  "


@dataclass(frozen=True)
class Known:
    """One of several elements of a tag."""

    tag: str
    key: str
    """The attribute by which it is known,"""
    value: str
    """its value,"""
    inside: str = ""
    """and the child that has it, where the element itself does not."""

    def is_it(self, element: Element) -> bool:
        holder = element.find(self.inside) if self.inside else element
        return holder is not None and holder.get(self.key) == self.value


Step = t.Union[str, Known]
"""An element by its tag alone, or by what tells it from others of its tag."""


class Document:
    """The XML of one domain. Steps lead from ``<domain>`` to an element below it."""

    def __init__(self, root: Element) -> None:
        self.root = root

    @classmethod
    def parse(cls, xml: str) -> Document:
        """Raises BadRequestError for what is no XML of a domain."""
        parser = etree.XMLParser(resolve_entities=False, no_network=True, strip_cdata=False, huge_tree=False)
        try:
            root = etree.fromstring(xml.encode("utf-8"), parser)
        except etree.XMLSyntaxError as error:
            raise BadRequestError(
                f"the definition of a domain is no XML: {error}", "Look at it with virsh dumpxml, and repair it"
            ) from error
        if root.tag != "domain":
            raise BadRequestError(f"the definition of a domain is XML of {root.tag!r}", "Look at it with virsh dumpxml")
        return cls(root)

    def copy(self) -> Document:
        return Document(copy.deepcopy(self.root))

    def text(self) -> str:
        return etree.tostring(self.root, encoding="unicode")

    def name(self) -> str:
        return self.root.findtext("name") or ""

    def find(self, *steps: Step) -> Element | None:
        """The first element that the steps lead to."""
        return next(self.all(*steps), None)

    def all(self, *steps: Step) -> Iterator[Element]:
        """Every element that the steps lead to."""
        return _below(self.root, steps)

    def attribute(self, name: str, *steps: Step) -> str | None:
        """An attribute's value; None where it, or the element, is not there."""
        element = self.find(*steps)
        return None if element is None else element.get(name)

    def number(self, *steps: Step) -> int | None:
        """An element's text as a number; None where it is none."""
        element = self.find(*steps)
        text = "" if element is None else (element.text or "").strip()
        return int(text) if text.isdecimal() else None

    def ensure(self, *steps: Step) -> Element:
        """The element that the steps lead to, made where it is missing."""
        element = self.root
        for depth, step in enumerate(steps):
            inner = next(_below(element, (step,)), None)
            if inner is None:
                inner = _made(step)
                _append(element, inner, depth)
            element = inner
        return element

    def remove(self, *steps: Step) -> None:
        """Take every element that the steps lead to away, and what is then left empty around them."""
        for element in list(self.all(*steps)):
            drop(element)


def drop(element: Element) -> None:
    """Take an element away, and what is then left empty around it."""
    parent = element.getparent()
    if parent is None:
        return
    before = element.getprevious()
    if element.getnext() is None:
        # The one before is the last now: its closing tag is indented like this one's was.
        if before is not None:
            before.tail = element.tail
        else:
            parent.text = None
    # lxml would take the text behind the element with it.
    element.tail = None
    parent.remove(element)
    if len(parent) == 0 and not parent.attrib and parent.getparent() is not None:
        drop(parent)


def clear(element: Element, *kept: str) -> None:
    """Take away what is in an element, and its attributes but those of these names."""
    for name in set(element.attrib) - set(kept):
        del element.attrib[name]
    for child in list(element):
        element.remove(child)
    element.text = None


def _below(element: Element, steps: tuple[Step, ...]) -> Iterator[Element]:
    if not steps:
        yield element
        return
    step = steps[0]
    for child in element.iterchildren(step if isinstance(step, str) else step.tag):
        if isinstance(step, str) or step.is_it(child):
            yield from _below(child, steps[1:])


def _made(step: Step) -> Element:
    if isinstance(step, str):
        return etree.Element(step)
    if step.inside:
        raise ValueError(f"no {step.tag} has {step.inside} {step.value}")
    return etree.Element(step.tag, {step.key: step.value})


def _append(parent: Element, child: Element, depth: int) -> None:
    """Add a child behind the others, indented as libvirt would."""
    last = parent[-1] if len(parent) else None
    if last is None:
        parent.text = "\n" + _INDENT * (depth + 1)
        child.tail = "\n" + _INDENT * depth
    else:
        child.tail = last.tail
        last.tail = parent.text
    parent.append(child)
