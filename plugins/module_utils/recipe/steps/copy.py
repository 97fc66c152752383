# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy a file or a directory inside the image."""

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
    return (Run(f"{script}cp -a -- {shlex.quote(source)} {shlex.quote(dest)}\n"),)


KIND = StepKind(
    name="copy",
    description="""
        Copy a file, or a directory with all that is in it, inside the image, as C(cp -a) does: with owner, permissions
        and times, and links as links.

        For files of the controller there are C(upload) and C(copy_in).
    """,
    options={
        "src": {"type": "str", "required": True, "description": "Absolute path of what is copied."},
        "dest": {
            "type": "str",
            "required": True,
            "description": """
                Absolute path of the copy. Where it is a directory that exists, the copy is put into that under its own
                name; with a slash at the end it has to be one.
            """,
        },
    },
    check=_check,
    render=_render,
    example="""
        - copy:
            src: /etc/ssh/sshd_config
            dest: /etc/ssh/sshd_config.distribution
    """,
)
