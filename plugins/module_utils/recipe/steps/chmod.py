# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permissions of what is in the image."""

from __future__ import annotations

import shlex

from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import require_path
from ..values import absolute_path, file_permissions


def _check(options: Options) -> Options:
    return {**options, "path": absolute_path("path", options["path"]), "mode": file_permissions(options["mode"])}


def _render(options: Options) -> tuple[Operation, ...]:
    path = options["path"]
    recursive = "-R " if options["recursive"] else ""
    return (Run(f"{require_path(path)}chmod {recursive}-- {shlex.quote(options['mode'])} {shlex.quote(path)}\n"),)


KIND = StepKind(
    name="chmod",
    description="Change the permissions of a file or a directory. Of a symbolic link it changes what it leads to.",
    options={
        "path": {"type": "str", "required": True, "description": "Absolute path inside the image."},
        "mode": {
            "type": "raw",
            "required": True,
            "description": """
                Permissions in octal, quoted as in V('0640'), or as chmod(1) takes them otherwise, such as
                V(u=rwX,g=rX,o=).
            """,
        },
        "recursive": {
            "type": "bool",
            "default": False,
            "description": """
                Whether it changes everything below a directory as well. An octal O(mode) makes files executable where
                directories can be entered; V(X) in a symbolic one does not.
            """,
        },
    },
    check=_check,
    render=_render,
    example="""
        - chmod:
            path: /usr/local/sbin/rotate-keys
            mode: "0750"
        - chmod:
            path: /srv/www
            mode: u=rwX,g=rX,o=
            recursive: true
    """,
)
