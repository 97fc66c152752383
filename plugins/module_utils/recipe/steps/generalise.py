# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one machine alone may have, taken out of the image: the last step of a recipe."""

from __future__ import annotations

import posixpath
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from ...common.errors import BadRequestError
from ..generalise_clones import CLOUD_INIT, HOST_KEYS_SERVICE, SNAKEOIL_SERVICE
from ..generalise_scripts import GROUPS, HOMES, LIBRARY, MACHINE_ID, TRIM
from ..model import Options, Step, StepKind
from ..operations import Operation, Run

NAME = "generalise"

_WRITES_TO = ("append_line", "line_in_file", "edit")
"""Steps of which ``path`` is a file that has what they write afterwards."""


def trims(steps: Sequence[Step]) -> bool:
    """Whether free blocks are discarded, down to single ones if the disk can."""
    return any(step.kind is KIND and step.options["trim"] for step in steps)


def _check(options: Options) -> Options:
    kept = set(options["keep"])
    # One spelling, whatever the order in which it is written.
    return {**options, "keep": [name for name in GROUPS if name in kept]}


def _check_recipe(step: Step, others: Sequence[Step]) -> None:
    """Refuse to take out what the recipe puts in on purpose."""
    for other in others:
        for option, path in _put_in(other):
            for name, group in GROUPS.items():
                if name not in step.options["keep"] and any(_is_within(path, pattern) for pattern in group.put_in):
                    raise BadRequestError(
                        f"steps[{other.index - 1}].{other.kind.name}.{option} (step {other.index}) puts {path} into "
                        f"the image, and {NAME} (step {step.index}) would take it out again",
                        f"Say keep: [{name}] in {NAME} if all clones shall have the same, or leave the step out",
                    )


def _put_in(step: Step) -> Iterator[tuple[str, str]]:
    """Option and path of each file or directory that a step puts in or writes to."""
    options = step.options
    if step.kind.name == "netplan":
        yield "name", f"/etc/netplan/{options['name']}.yaml"
    elif step.kind.name == "copy_in":
        name = posixpath.basename(options["src"].rstrip("/"))
        yield "dest", posixpath.normpath(posixpath.join(options["dest"], name))
    elif "dest" in options:
        yield "dest", posixpath.normpath(options["dest"])
    elif step.kind.name in _WRITES_TO and options.get("state") != "absent":
        yield "path", posixpath.normpath(options["path"])


def _is_within(path: str, pattern: str) -> bool:
    place = PurePosixPath(path)
    return any(part.match(pattern) for part in (place, *place.parents))


def _render(options: Options) -> tuple[Operation, ...]:
    script = LIBRARY + CLOUD_INIT + HOMES
    script += "".join(group.script for name, group in GROUPS.items() if name not in options["keep"])
    # A hook of `cloud-init clean` may have touched it.
    script += MACHINE_ID + (TRIM if options["trim"] else "")
    return (Run(script, contents={"host-keys": HOST_KEYS_SERVICE, "snakeoil": SNAKEOIL_SERVICE}),)


def _described() -> str:
    return "\n\n".join(f"V({name}): {group.description}." for name, group in GROUPS.items())


_OPTIONS: Mapping[str, Mapping[str, t.Any]] = {
    "keep": {
        "type": "list",
        "elements": "str",
        "choices": list(GROUPS),
        "default": [],
        "description": f"What is left in the image.\n\n{_described()}",
    },
    "trim": {
        "type": "bool",
        "default": True,
        "description": """
            Whether the free blocks of the image's file systems are discarded at the end. The image gets smaller, and
            what deleted files held is no longer in it.
        """,
    },
}

KIND = StepKind(
    name=NAME,
    description="""
        Take out of the image what one machine alone may have, so that each clone is a machine of its own. It has to be
        the last step.

        C(/etc/machine-id) is there and empty afterwards, whatever the base had, and a D-Bus machine-id is a link to it.
        The rest is what O(keep) lists. Directories stay with their owners and permissions, and so do log files, which
        are empty then.

        C(/etc/resolv.conf), C(/etc/hostname), accounts and their keys, and scripts of the first boot stay as they are.
        Of C(/var/lib/cloud), C(scripts) and C(handlers) stay. Executable files in C(/etc/cloud/clean.d) are run, as
        C(cloud-init clean) does.

        At a clone's first boot C(cloud-init) makes new SSH host keys. Where it does not, because it is not there, is
        disabled or finds no data for the clone, C(goldsmith-ssh-host-keys.service) does.

        What C(cloud-init) once generated for the network, for sudo and for sshd stays where it will not run, or will
        not configure the network: clones have nothing else.

        Crontabs, and certificates beside the one of C(ssl-cert), stay: they are taken to be of the image.
    """,
    options=_OPTIONS,
    last=True,
    check=_check,
    check_recipe=_check_recipe,
    render=_render,
    example="""\
- generalise:
    keep: [apt_lists]
""",
)
