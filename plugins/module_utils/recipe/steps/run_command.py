# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command run inside the image."""

from __future__ import annotations

import shlex

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..values import absolute_path


def _check(options: Options) -> Options:
    if not options["command"].strip() or "\0" in options["command"]:
        raise BadRequestError("command has to be a shell command and is empty or holds a NUL byte")
    if options.get("timeout", 1) < 1:
        raise BadRequestError(f"timeout has to be at least 1 second and is {options['timeout']}")
    if "chdir" in options:
        return {**options, "chdir": absolute_path("chdir", options["chdir"])}
    return options


def _render(options: Options) -> tuple[Operation, ...]:
    script = ""
    if "chdir" in options:
        script += f"cd -- {shlex.quote(options['chdir'])}\n"
    # Users' commands are as they wrote them for virt-customize, which runs them without `-u`.
    script += f"set +u\n{options['command'].rstrip()}\n"
    return (Run(script, network=options["network"], timeout=options.get("timeout")),)


KIND = StepKind(
    name="run_command",
    description="""
        Run shell commands as root inside the image, by its own C(sh -e): the first one that fails stops the build.

        The commands stand in the build record. A secret does not belong there.

        No service manager runs in the image. C(systemctl enable), C(disable) and C(mask) work, C(start) does not.
    """,
    options={
        "command": {
            "type": "str",
            "required": True,
            "description": "A command line, or a script of several lines.",
        },
        "chdir": {
            "type": "str",
            "description": "Directory of the image to run it in.",
        },
        "timeout": {
            "type": "int",
            "description": "Seconds that it may take, within the time for the whole build.",
        },
        "network": {
            "type": "bool",
            "default": True,
            "description": "Whether it needs the network.",
        },
    },
    check=_check,
    render=_render,
)
