# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command run inside the image."""

from __future__ import annotations

import shlex

from ...common.errors import BadRequestError
from ..command import COMMAND_OPTIONS, checked_command, run_command
from ..model import Options, StepKind
from ..operations import Operation


def _check(options: Options) -> Options:
    if "argv" in options:
        argv = options["argv"]
        if not argv or not argv[0].strip() or argv[0].startswith("-"):
            raise BadRequestError("argv has to begin with a program", "Write it as [program, argument, …]")
        if any("\0" in argument for argument in argv):
            raise BadRequestError("argv has a NUL byte, which no argument can hold")
    elif not options["command"].strip() or "\0" in options["command"]:
        raise BadRequestError("command has to be a shell command and is empty or holds a NUL byte")
    return checked_command(options)


def _render(options: Options) -> tuple[Operation, ...]:
    if "argv" in options:
        return (run_command(options, f"unset FILES\nexec {shlex.join(options['argv'])}\n"),)
    # Users' commands are as they wrote them for virt-customize, which runs them without `-u`.
    return (run_command(options, f"unset FILES\nset +u\n{options['command'].rstrip()}\n"),)


KIND = StepKind(
    name="run_command",
    description="""
        Run shell commands as root inside the image, by its own C(sh -e), where the first one that fails stops the
        build; or one program with its arguments, without a shell.

        The commands stand in the build record; a secret belongs in O(secrets).

        No service manager runs in the image. C(systemctl enable), C(disable) and C(mask) work, C(start) does not.
    """,
    options={
        "command": {
            "type": "str",
            "description": "A command line, or a script of several lines.",
        },
        "argv": {
            "type": "list",
            "elements": "str",
            "description": "A program and its arguments, which no shell reads.",
        },
        **COMMAND_OPTIONS,
    },
    rules={"mutually_exclusive": [["command", "argv"]], "required_one_of": [["command", "argv"]]},
    check=_check,
    render=_render,
    example="""
        - run_command:
            command: |
              curl -fsS "https://example.com/enrol?token=$TOKEN" -o /etc/example/enrolment
              chmod 0600 /etc/example/enrolment
            secrets:
              TOKEN: "{{ vault_enrolment_token }}"
            timeout: 60
        - run_command:
            argv: [update-alternatives, --set, editor, /usr/bin/vim.tiny]
            network: false
    """,
)
