# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords as virt-customize's selectors have them."""

from __future__ import annotations

import re
import typing as t

from ..common.errors import BadRequestError
from .text import Expansion, Text

_IN_VAULT = "the password stood in plain text, and is not in the recipe"


def of_selector(user: Text, selector: Text) -> tuple[dict[str, t.Any], tuple[str, str] | None]:
    """Options of the step ``password``, and cause and way out of what has to be said; raises BadRequestError."""
    kind, *rest = selector.split(":", 1)
    if kind.literal in ("lock", "locked"):
        if not rest or rest[0].literal in ("disable", "disabled"):
            return {"user": user, "disabled": True, "locked": True}, None
        options, remark = of_selector(user, rest[0])
        return {**options, "locked": True}, remark
    if kind.literal in ("disable", "disabled") and not rest:
        return {"user": user, "disabled": True}, None
    if kind.literal == "file" and rest:
        first_line = f"lookup('ansible.builtin.file', {rest[0].expression}).splitlines() | first"
        return {"user": user, "password": Text.of(Expansion(rest[0].source, first_line))}, None
    if kind.literal == "password" and rest:
        return _in_plain_text(user, rest[0])
    if kind.literal == "random" and not rest:
        raise BadRequestError(
            "a new password for each build would make each image another one, and only a terminal would show it",
            "Write a step password with `lookup('ansible.builtin.password', 'FILE')`, which keeps what it has made",
        )
    raise BadRequestError("it is no selector of a password that virt-customize knows", "Write a step password")


def _in_plain_text(user: Text, password: Text) -> tuple[dict[str, t.Any], tuple[str, str] | None]:
    expansions = list(password.expansions())
    if len(expansions) == len(password.parts) == 1 and expansions[0].variable:
        name = expansions[0].jinja
        cause = "the password is in a variable of the shell"
        if "|" in name or "(" in name:
            return {"user": user, "password": password}, (cause, "Better keep it in a file of Ansible Vault")
        return {"user": user, "password": password}, (cause, f"Give the variable {name} in a file of Ansible Vault")
    name = variable_of(user.literal or "user")
    value = Text.of(Expansion("", name))
    return {"user": user, "password": value}, (_IN_VAULT, f"Give the variable {name} in a file of Ansible Vault")


def variable_of(user: str) -> str:
    """The variable for the password of a user."""
    name = re.sub(r"[^a-z0-9_]", "_", user.lower())
    return f"{name}_password" if re.match(r"[a-z_]", name) else f"user_{name}_password"
