# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what users write to the values of knobs. Each raises BadRequestError, which names the option."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ..common.cpuset import CpuSet
from ..common.errors import BadRequestError
from ..common.size import parse_size
from .model import Value, Wished
from .places import UNPINNED

LARGEST = 2**60
"""Bytes. No host has as much; libvirt's own numbers of KiB end not far above."""


def given(options: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The options that the user did not leave out."""
    return {name: value for name, value in options.items() if value is not None}


def cpuset_or_unpinned(text: str, option: str) -> Value:
    return UNPINNED if text.strip() == UNPINNED else CpuSet.parse(text, option)


def size(text: str, option: str, *words: str) -> Value:
    """Bytes, or one of the words."""
    if text in words:
        return text
    found = parse_size(text, option)
    if not 0 < found <= LARGEST:
        raise BadRequestError(f"{option} is {text!r}, which no host has", "Write a size such as 4G")
    return found


def number(text: str, option: str, least: int, most: int, *words: str) -> Value:
    """A whole number from ``least`` to ``most``, or one of the words."""
    if text in words:
        return text
    if not text.isdecimal() or not least <= int(text[:20]) <= most:
        otherwise = "".join(f", or {word}" for word in words)
        raise BadRequestError(f"{option} is {text!r}", f"Give a whole number from {least} to {most}{otherwise}")
    return int(text)


def refuse_twice(items: Iterable[int | str], option: str, what: str) -> None:
    """Nothing is to be named twice in one list: one of both would be without effect."""
    seen: set[int | str] = set()
    for item in items:
        if item in seen:
            raise BadRequestError(f"{option} names {what} {item} twice", "Name each once")
        seen.add(item)


def plain(options: Mapping[str, t.Any], prefix: str) -> dict[str, Wished]:
    """Options that are knobs of the same name, with values that need no parsing."""
    return {f"{prefix}.{name}": Wished(value) for name, value in given(options).items()}
