# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell commands that each clone runs once, at its first boot."""

from __future__ import annotations

from ...common.errors import BadRequestError
from .. import firstboot
from ..model import Options, StepKind
from ..operations import Operation


def _check(options: Options) -> Options:
    if not options["command"].strip() or "\0" in options["command"]:
        raise BadRequestError("command has to be a shell command and is empty or holds a NUL byte")
    return {**options, "name": firstboot.name(options["name"])}


def _render(options: Options) -> tuple[Operation, ...]:
    return (firstboot.install(options["name"], text=f"#!/bin/sh -e\n{options['command'].rstrip()}\n"),)


KIND = StepKind(
    name="firstboot_command",
    description=f"""
        Have each clone run shell commands as root, once, at its first boot, by C(sh -e).
{firstboot.WHEN}
        The commands stand in the image and in the build record. A secret does not belong there.
    """,
    options={
        "name": {**firstboot.NAME_OPTION, "default": "command"},
        "command": {
            "type": "str",
            "required": True,
            "description": "A command line, or a script of several lines.",
        },
    },
    check=_check,
    render=_render,
    example="""\
- firstboot_command:
    name: aide-init
    command: aideinit --yes --force
""",
)
