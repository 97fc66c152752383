# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file emptied."""

from __future__ import annotations

import shlex

from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import require_file
from ..values import file_path


def _check(options: Options) -> Options:
    return {"path": file_path("path", options["path"])}


def _render(options: Options) -> tuple[Operation, ...]:
    return (Run(f"{require_file(options['path'])}: >{shlex.quote(options['path'])}\n"),)


KIND = StepKind(
    name="truncate",
    description="Empty a file. Its owner and its permissions stay.",
    options={"path": {"type": "str", "required": True, "description": "Absolute path of a file that exists."}},
    check=_check,
    render=_render,
    example="""
        - truncate:
            path: /var/log/syslog
    """,
)
