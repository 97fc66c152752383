# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as people write and read them. Units are powers of 1024, as in qemu-img(1)."""

from __future__ import annotations

import re

from .errors import BadRequestError

_UNITS = "KMGTPE"
_SIZE = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?:(?P<unit>[KMGTPE])(?:i?B)?|B)?", re.IGNORECASE)


def parse_size(text: str | int, option: str) -> int:
    """Bytes of ``10G``, ``1.5 GiB``, ``512``; raises BadRequestError that names ``option`` for anything else."""
    match = _SIZE.fullmatch(str(text).strip())
    if match is None:
        raise BadRequestError(
            f"{option} is {text!r}, which is not a size", "Write a number with K, M, G or T, such as 10G"
        )
    exponent = _UNITS.index(match["unit"].upper()) + 1 if match["unit"] else 0
    return (
        int(float(match["number"]) * 1024**exponent)
        if "." in match["number"]
        else int(match["number"]) * 1024**exponent
    )


def format_size(size: int) -> str:
    """``1.5 GiB`` of 1610612736: three significant digits at the most."""
    value = float(size)
    for unit in ("B", *(f"{letter}iB" for letter in _UNITS)):
        if value < 1000 or unit == "EiB":
            break
        value /= 1024
    return f"{value:.3g} {unit}"
