# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that there are, by name. A further one is a function in ``rules`` and its line there."""

from __future__ import annotations

import difflib

from ..common.errors import BadRequestError
from .model import Allowance, Rule
from .rules import access, credentials, disk, files, identity, secrets, traces

RULES: dict[str, Rule] = {
    rule.name: rule for rules in (secrets, access, files, disk, identity, credentials, traces) for rule in rules.RULES
}


def require_rule(name: str, place: str) -> None:
    """Raise BadRequestError where there is no rule of this name."""
    if name not in RULES:
        near = difflib.get_close_matches(name, RULES, n=1)
        raise BadRequestError(
            f"{place} is {name!r}, which is no rule of the audit{f'; {near[0]} is' if near else ''}",
            f"There are {', '.join(RULES)}",
        )


def allowance(place: str, rule: str, paths: tuple[str, ...], reason: str) -> Allowance:
    """An exception as a user writes it. Raises BadRequestError, which names its ``place``."""
    require_rule(rule, f"{place}.rule")
    if not reason.strip():
        raise BadRequestError(f"{place}.reason is empty", "Write down why the exception is right")
    for path in paths:
        if not path.startswith(("/", "*")):
            raise BadRequestError(
                f"{place}.paths has {path!r}, which matches no absolute path",
                "Write the whole path inside the image, or a pattern such as /srv/*",
            )
    return Allowance(rule, paths, reason.strip())
