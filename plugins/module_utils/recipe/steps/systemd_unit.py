# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A systemd unit: its file or a drop-in, and whether it starts at boot."""

from __future__ import annotations

import re

from ...common.errors import BadRequestError
from ..model import FILE, Options, StepKind
from ..operations import Operation, Run, Upload, Write
from ..values import single_line

_TYPES = "service|socket|device|mount|automount|swap|target|path|timer|slice|scope"
_UNIT = re.compile(rf"[A-Za-z0-9:_.\\@-]+\.(?:{_TYPES})")
_DROP_IN = re.compile(r"[A-Za-z0-9_.@-]+\.conf")


def _check(options: Options) -> Options:
    name, drop_in = options["name"], options.get("drop_in")
    if not _UNIT.fullmatch(name):
        raise BadRequestError(
            f"name is not the name of a unit: {name!r}", "Write it with its type, such as web.service or backup.timer"
        )
    has_file = "content" in options or "src" in options
    if "src" in options:
        single_line("src", options["src"])
    if drop_in is not None:
        if not _DROP_IN.fullmatch(drop_in):
            raise BadRequestError(f"drop_in is not the name of a file that ends in .conf: {drop_in!r}")
        if not has_file:
            raise BadRequestError("drop_in needs its content", "Give content or src as well")
    elif has_file and options.get("masked"):
        raise BadRequestError(
            "a unit whose file is put in cannot be masked, because the mask takes the file's place",
            "Leave out the file, or masked",
        )
    if options.get("enabled") and options.get("masked"):
        raise BadRequestError("a masked unit cannot be enabled", "Choose one of enabled and masked")
    if not has_file and "enabled" not in options and "masked" not in options:
        raise BadRequestError("there is nothing to do", "Give content, src, enabled or masked")
    return options


def _render(options: Options) -> tuple[Operation, ...]:
    name = options["name"]
    directory = "/etc/systemd/system"
    operations: list[Operation] = []
    if options.get("masked") is False:
        operations.append(_systemctl("unmask", name))
    if "drop_in" in options:
        directory = f"{directory}/{name}.d"
        operations.append(Run(f"mkdir -p -m 0755 '{directory}'\n"))
    dest = f"{directory}/{options.get('drop_in', name)}"
    if "content" in options:
        operations.append(Write(options["content"], dest))
    elif "src" in options:
        operations.append(Upload(options["src"], dest))
    if options.get("masked"):
        operations.append(_systemctl("mask", name))
    if "enabled" in options:
        operations.append(_systemctl("enable" if options["enabled"] else "disable", name))
    return tuple(operations)


def _systemctl(verb: str, name: str) -> Run:
    # Offline, systemctl only edits the links below /etc/systemd/system. The root's mount unit is called `-.mount`.
    return Run(f"SYSTEMD_OFFLINE=1 systemctl {verb} -- '{name}'\n")


KIND = StepKind(
    name="systemd_unit",
    description="""
        Put in a systemd unit or a drop-in for one, and say whether it starts at boot.

        No service manager runs in the image; nothing is started or stopped.
    """,
    options={
        "name": {
            "type": "str",
            "required": True,
            "description": "Name of the unit with its type, such as V(web.service).",
        },
        "content": {
            "type": "str",
            "description": "The unit's file, C(/etc/systemd/system/NAME). It stands in the build record.",
        },
        "src": {
            "type": "str",
            "description": "The same, as a file of the controller, which is found as in C(upload).",
        },
        "remote_src": {
            "type": "bool",
            "default": False,
            "description": "Whether O(src) is a path on the target.",
        },
        "drop_in": {
            "type": "str",
            "description": """
                Name of a drop-in, such as V(10-memory.conf). O(content) or O(src) is then the drop-in
                C(/etc/systemd/system/NAME.d/10-memory.conf), and the unit's own file stays.
            """,
        },
        "enabled": {
            "type": "bool",
            "description": "Whether it starts at boot. Without it, that stays as it is.",
        },
        "masked": {
            "type": "bool",
            "description": "Whether it cannot be started at all. Without it, that stays as it is.",
        },
    },
    files={"src": FILE},
    rules={"mutually_exclusive": [["content", "src"]]},
    check=_check,
    render=_render,
)
