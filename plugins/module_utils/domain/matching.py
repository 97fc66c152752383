# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that a wish means by what they are like."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ..common.errors import BadRequestError
from .options import given

if t.TYPE_CHECKING:
    from lxml.etree import _Element as Element

MATCH_ALL: t.Final[dict[str, t.Any]] = {"all": {"type": "bool"}}


def refuse_senseless(matches: Sequence[Mapping[str, t.Any]], option: str) -> None:
    """Raise BadRequestError where the last of the matches is as one before it, or ``all: false``.

    A later entry may change what an earlier, more general one says; the same match twice is a mistake.
    """
    *before, match = (given(match) for match in matches)
    if not match.get("all", True) or match in before:
        raise BadRequestError(
            f"{option}.match is {match}, as that of an entry before it, or matches nothing",
            "Write one entry for each match",
        )


def name_of(alias: Element | None) -> str | None:
    return None if alias is None else alias.get("name")
