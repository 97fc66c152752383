# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in directories such as ``/etc/sysctl.d``."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from ..common.errors import BadRequestError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_ENDINGS = (".conf", ".cfg", ".yaml", ".yml")

DROP_IN_NAME_OPTION: Mapping[str, t.Any] = {"type": "str", "required": True}


def drop_in_name(option: str, value: str) -> str:
    """The name of a drop-in without what it ends in."""
    if not _NAME.fullmatch(value):
        raise BadRequestError(
            f"{option} is no name for a file: {value!r}",
            "Use up to 100 letters, digits, `_`, `-` and `.`, beginning with none of the last two, such as 90-local",
        )
    for ending in _ENDINGS:
        if value.endswith(ending):
            raise BadRequestError(f"{option} is {value!r}, and {ending} is added to it", f"Leave out the {ending}")
    return value
