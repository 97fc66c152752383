# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move or rename a file or a directory inside the image."""

from __future__ import annotations

import shlex

from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import require_directory, require_parent, require_path
from ..values import absolute_path, existing_path


def _check(options: Options) -> Options:
    return {"src": existing_path("src", options["src"]), "dest": absolute_path("dest", options["dest"])}


def _render(options: Options) -> tuple[Operation, ...]:
    source, dest = options["src"], options["dest"]
    script = require_path(source)
    script += require_directory(dest) if dest.endswith("/") else require_parent(dest)
    return (Run(f"{script}mv -f -- {shlex.quote(source)} {shlex.quote(dest)}\n"),)


KIND = StepKind(
    name="move",
    description="Move or rename a file or a directory inside the image, replacing a file that is there.",
    options={
        "src": {"type": "str", "required": True, "description": "Absolute path of what is moved."},
        "dest": {
            "type": "str",
            "required": True,
            "description": """
                Absolute path that it gets. Where it is a directory that exists, it is put into that under its own
                name; with a slash at the end it has to be one.
            """,
        },
    },
    check=_check,
    render=_render,
    example="""
        - move:
            src: /etc/motd
            dest: /etc/motd.distribution
    """,
)
