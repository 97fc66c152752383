# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory."""

from __future__ import annotations

import shlex

from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import fail, require_accounts
from ..values import account_or_id, existing_path, file_mode


def _check(options: Options) -> Options:
    checked = {**options, "path": existing_path("path", options["path"])}
    for option in ("owner", "group"):
        if option in options:
            checked[option] = account_or_id(option, options[option])
    if "mode" in options:
        checked["mode"] = file_mode(options["mode"])
    return checked


def _render(options: Options) -> tuple[Operation, ...]:
    path, owner, group = options["path"], options.get("owner", ""), options.get("group", "")
    where = shlex.quote(path)
    script = require_accounts(owner, group)
    script += f"[ -d {where} ] || [ ! -e {where} ] || {fail(f'{path} is in the image, and is no directory')}\n"
    script += f"mkdir -p -- {where}\n"
    if owner or group:
        script += f"chown -- {shlex.quote(f'{owner}:{group}' if group else owner)} {where}\n"
    if "mode" in options:
        script += f"chmod -- {options['mode']} {where}\n"
    return (Run(script),)


KIND = StepKind(
    name="mkdir",
    description="Make a directory, with those above it that are missing. One that exists stays, with what is in it.",
    options={
        "path": {"type": "str", "required": True, "description": "Absolute path inside the image."},
        "mode": {
            "type": "raw",
            "description": """
                Permissions in octal, quoted as in V('0750'), also of a directory that exists. Without it a new one, and
                those made above it, get V('0755').
            """,
        },
        "owner": {
            "type": "str",
            "description": """
                User who owns it, by name or number, also where it exists. Without it a new one belongs to C(root).
            """,
        },
        "group": {"type": "str", "description": "Group of it, in the same way."},
    },
    check=_check,
    render=_render,
    example="""
        - mkdir:
            path: /srv/www/static
            owner: www-data
            group: www-data
            mode: "0750"
    """,
)
