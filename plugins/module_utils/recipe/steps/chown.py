# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner of what is in the image."""

from __future__ import annotations

import shlex

from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import require_accounts, require_path
from ..values import absolute_path, account_or_id


def _check(options: Options) -> Options:
    checked = {**options, "path": absolute_path("path", options["path"])}
    for option in ("owner", "group"):
        if option in options:
            checked[option] = account_or_id(option, options[option])
    return checked


def _render(options: Options) -> tuple[Operation, ...]:
    path, owner, group = options["path"], options.get("owner", ""), options.get("group", "")
    to = shlex.quote(f"{owner}:{group}" if group else owner)
    script = require_path(path) + require_accounts(owner, group)
    if options["recursive"]:
        # Of the links below a directory they themselves change: what they lead to may be anywhere.
        return (Run(f'{script}path=$(readlink -e -- {shlex.quote(path)})\nchown -R -h -- {to} "$path"\n'),)
    return (Run(f"{script}chown -- {to} {shlex.quote(path)}\n"),)


KIND = StepKind(
    name="chown",
    description="""
        Change the owner of a file or a directory, its group, or both. Of a symbolic link it changes what it leads to.
    """,
    options={
        "path": {"type": "str", "required": True, "description": "Absolute path inside the image."},
        "owner": {"type": "str", "description": "User of the image, by name or number."},
        "group": {"type": "str", "description": "Group of the image, by name or number."},
        "recursive": {
            "type": "bool",
            "default": False,
            "description": "Whether it changes everything below a directory as well.",
        },
    },
    rules={"required_one_of": [["owner", "group"]]},
    check=_check,
    render=_render,
    example="""
        - chown:
            path: /srv/www
            owner: www-data
            group: www-data
            recursive: true
    """,
)
