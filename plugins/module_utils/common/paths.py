# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths as options have them."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from .errors import BadRequestError


def refuse_empty(params: Mapping[str, t.Any], *options: str) -> None:
    """Raise BadRequestError for a path that is empty, as by ``default('')``: it would be the working directory."""
    for option in options:
        if params[option] == "":
            raise BadRequestError(
                f"{option} is empty", "Give a path; what may be left out is left out by default(omit), not default('')"
            )
