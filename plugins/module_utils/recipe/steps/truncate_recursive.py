# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All files below a directory emptied."""

from __future__ import annotations

import shlex

from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import require_directory
from ..values import existing_path


def _check(options: Options) -> Options:
    return {"path": existing_path("path", options["path"])}


def _render(options: Options) -> tuple[Operation, ...]:
    path = options["path"]
    find = f"find -H {shlex.quote(path)} -type f -exec truncate -s 0 -- {{}} +"
    return (Run(f"{require_directory(path)}{find}\n"),)


KIND = StepKind(
    name="truncate_recursive",
    description="""
        Empty all files below a directory. Their owners and permissions stay; symbolic links are not followed.
    """,
    options={
        "path": {"type": "str", "required": True, "description": "Absolute path of the directory, which has to exist."},
    },
    check=_check,
    render=_render,
    example="""
        - truncate_recursive:
            path: /var/log
    """,
)
