# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's command line."""

from __future__ import annotations

import re
import shlex

from ...common.errors import BadRequestError
from .. import grub
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import fail, require_program

# Nothing that GRUB's own shell would read as more than text.
_ARGUMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:=/+@%!~-]*")
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def _check(options: Options) -> Options:
    if not _NAME.fullmatch(options["name"]):
        raise BadRequestError(
            f"name cannot be part of a file's name: {options['name']!r}", "Use letters, digits, `_` and `-`"
        )
    if not options["append"] and not options["remove"] and not options["replace"]:
        raise BadRequestError("there is nothing to do", "Give append, replace or remove")
    for option in ("append", "remove", "replace"):
        for argument in options[option]:
            if not _ARGUMENT.fullmatch(argument):
                raise BadRequestError(
                    f"{option} has {argument!r}, which cannot be an argument of the kernel through GRUB",
                    "Give each as an element of its own, without blanks, quotes, `$` and other signs of a shell",
                )
    added = {*options["append"], *options["replace"]}
    both = sorted(added & set(options["remove"]))
    if both:
        raise BadRequestError(f"{', '.join(both)} cannot be both added and removed")
    return options


def _render(options: Options) -> tuple[Operation, ...]:
    path = f"/etc/default/grub.d/91-goldsmith-{options['name']}.cfg"
    append = [*options["append"], *options["replace"]]
    remove = list(dict.fromkeys([*options["remove"], *(word.partition("=")[0] for word in options["replace"])]))
    text = grub.command_line(append, remove, linux_default=options["linux_default"])
    lost = fail(
        f"GRUB's configuration does not have all that {path} adds to the kernel's command line",
        "a file of /etc/default/grub.d that is read after it sets the command line anew: remove that by a step before",
    )
    script = f"""\
{require_program("update-grub", "grub2-common")}install -d -m 0755 /etc/default/grub.d
install -m 0644 -- "$FILES/drop-in" {path}
{grub.UPDATE}line=$(sed -n '/^[[:blank:]]*linux[[:blank:]]/{{p;q}}' {grub.CONFIGURATION})
for argument in {shlex.join(append)}; do
    case "$line " in
        *" $argument "*) ;;
        *) {lost} ;;
    esac
done
"""
    return (Run(script, contents={"drop-in": f"# Written when this image was built.\n{text}"}),)


KIND = StepKind(
    name="kernel_cmdline",
    description="""
        Change the command line that GRUB gives the kernel, by a file in C(/etc/default/grub.d), so that the arguments
        of the base and of C(/etc/default/grub) stay; and run C(update-grub).
    """,
    options={
        "append": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Arguments to add at the end, such as V(mitigations=off).",
        },
        "replace": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": """
                Arguments to add in place of those with the same name: V(console=ttyS1) removes every other
                C(console=).
            """,
        },
        "remove": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Arguments to remove. V(quiet=1) is that one, V(quiet) goes with any value and without one.",
        },
        "linux_default": {
            "type": "bool",
            "default": False,
            "description": """
                Whether the arguments are for the usual entries of GRUB's menu only, and not for those of the recovery
                mode, as in C(GRUB_CMDLINE_LINUX_DEFAULT).
            """,
        },
        "name": {
            "type": "str",
            "default": "cmdline",
            "description": """
                The file is C(/etc/default/grub.d/91-goldsmith-NAME.cfg). A second step needs another name, or it takes
                the place of the first.
            """,
        },
    },
    example="""\
- kernel_cmdline:
    append: [transparent_hugepage=never, net.ifnames=0]
    replace: ["console=ttyS0,115200n8"]
    remove: [quiet, splash]
""",
    check=_check,
    render=_render,
)
