# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Symbolic links."""

from __future__ import annotations

import shlex

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import fail, require_parent
from ..values import file_path, single_line


def _check(options: Options) -> Options:
    if not options["path"]:
        raise BadRequestError("path is empty", "Name the links to make")
    return {
        "target": single_line("target", options["target"]),
        "path": [file_path("path", path) for path in options["path"]],
    }


def _render(options: Options) -> tuple[Operation, ...]:
    script = ""
    for path in options["path"]:
        where = shlex.quote(path)
        in_the_way = fail(f"{path} is a directory in the image", "delete it by a step delete before this one")
        script += require_parent(path)
        script += f"if [ -d {where} ] && [ ! -L {where} ]; then {in_the_way}; fi\n"
        script += f"ln -s -f -T -- {shlex.quote(options['target'])} {where}\n"
    return (Run(script),)


KIND = StepKind(
    name="link",
    description="Make symbolic links, replacing files and links that are there.",
    options={
        "target": {
            "type": "str",
            "required": True,
            "description": "Where the links lead: an absolute path, or one from the link's directory.",
        },
        "path": {
            "type": "list",
            "elements": "str",
            "required": True,
            "description": "Absolute path of the link inside the image, or a list of them. The directory has to exist.",
        },
    },
    check=_check,
    render=_render,
    example="""
        - link:
            target: /usr/bin/vim.tiny
            path: [/usr/local/bin/vim, /usr/local/bin/vi]
    """,
)
