# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A group of users in the image."""

from __future__ import annotations

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..values import account_name


def _check(options: Options) -> Options:
    if not 0 <= options.get("gid", 0) < 2**32 - 1:
        raise BadRequestError(f"gid has to be from 0 to 4294967294 and is {options['gid']}")
    return {**options, "name": account_name("name", options["name"])}


def _render(options: Options) -> tuple[Operation, ...]:
    name, gid = options["name"], options.get("gid")
    new = ["--system"] if options["system"] else []
    change = ":"
    if gid is not None:
        new += ["--gid", str(gid)]
        change = f'[ "$(getent group {name} | cut -d : -f 3)" = {gid} ] || groupmod --gid {gid} -- {name}'
    script = f"""\
if getent group {name} >/dev/null; then
    {change}
else
    groupadd {" ".join([*new, "--", name])}
fi
"""
    return (Run(script),)


KIND = StepKind(
    name="group",
    description="""
        Make a group, or bring one that exists to what is asked for. Users join it by the option C(groups) of C(user).
    """,
    options={
        "name": {"type": "str", "required": True, "description": "Name of the group."},
        "gid": {
            "type": "int",
            "description": "Numerical group ID. Files that belong to an older one are not changed.",
        },
        "system": {
            "type": "bool",
            "default": False,
            "description": "Whether a new group gets its ID from the system's range.",
        },
    },
    check=_check,
    render=_render,
    example="""\
- group:
    name: deploy
    gid: 2000
- user:
    name: ops
    groups: [deploy]
""",
)
