# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A script or a program of the controller, run inside the image."""

from __future__ import annotations

from ..command import COMMAND_OPTIONS, checked_command, run_command
from ..model import FILE, Options, StepKind
from ..operations import Operation
from ..shell import fail
from ..values import REMOTE_SRC_OPTION, single_line

_DOS = fail("the lines of the script end as DOS has them, and the image cannot run it", "Convert it by dos2unix")

# The kernel's own words for both are `not found`, and it names the script.
_SCRIPT = f"""\
script=$FILES/src
first=
IFS= read -r first <"$script" || :
case $first in
    '#!'*"$(printf '\\r')") {_DOS} ;;
    '#!'*)
        interpreter=${{first#'#!'}}
        interpreter=${{interpreter#"${{interpreter%%[! ]*}}"}}
        interpreter=${{interpreter%%[ 	]*}}
        [ -x "$interpreter" ] || {{
            echo "the image has no $interpreter, which the first line of the script asks for" >&2
            echo 'Install its package by a step packages before this one' >&2
            exit 1
        }}
        ;;
esac
chmod 0700 "$script"
unset FILES first interpreter
exec "$script"
"""


def _check(options: Options) -> Options:
    single_line("src", options["src"])
    return checked_command(options)


def _render(options: Options) -> tuple[Operation, ...]:
    return (run_command(options, _SCRIPT, {"src": options["src"]}),)


KIND = StepKind(
    name="run",
    description="""
        Run a script, or any program, as root inside the image. The first line of a script says by what, as in
        C(#!/usr/bin/env python3); without one it is C(sh). The build stops when it ends with another status than 0.

        Nothing of it stays in the image but what it does there. Its output stands in the build's log.

        No service manager runs in the image. C(systemctl enable), C(disable) and C(mask) work, C(start) does not.
    """,
    options={
        "src": {
            "type": "str",
            "required": True,
            "description": "The script. It is looked for on the controller as in C(upload).",
        },
        "remote_src": REMOTE_SRC_OPTION,
        **COMMAND_OPTIONS,
    },
    files={"src": FILE},
    check=_check,
    render=_render,
    example="""
        - run:
            src: files/install-toolchain
            environment:
              TOOLCHAIN_VERSION: "14.2"
            secrets:
              DOWNLOAD_TOKEN: "{{ vault_download_token }}"
            timeout: 900
    """,
)
