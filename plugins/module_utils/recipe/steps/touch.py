# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An empty file, or a new time for one that is there."""

from __future__ import annotations

import shlex

from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import require_parent
from ..values import absolute_path


def _check(options: Options) -> Options:
    return {"path": absolute_path("path", options["path"])}


def _render(options: Options) -> tuple[Operation, ...]:
    path = options["path"]
    return (Run(f"{require_parent(path.rstrip('/'))}touch -- {shlex.quote(path)}\n"),)


KIND = StepKind(
    name="touch",
    description="""
        Make an empty file, or give what is there the time of the build, as touch(1) does.

        A new file belongs to C(root) and may be read by all. For others there is the step C(write).
    """,
    options={
        "path": {
            "type": "str",
            "required": True,
            "description": "Absolute path inside the image. The directory has to exist.",
        },
    },
    check=_check,
    render=_render,
    example="""
        - touch:
            path: /etc/cloud/cloud-init.disabled
    """,
)
