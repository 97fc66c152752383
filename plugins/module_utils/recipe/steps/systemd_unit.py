# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A systemd unit: its file or a drop-in, and whether it starts at boot."""

from __future__ import annotations

import re

from ...common.errors import BadRequestError
from ..model import FILE, Options, StepKind
from ..operations import Operation, Run
from ..shell import fail
from ..values import REMOTE_SRC_OPTION, single_line

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
    name, scope = options["name"], options["scope"]
    # Offline, systemctl only edits links below /etc/systemd. The root's mount unit is called `-.mount`.
    systemctl = "SYSTEMD_OFFLINE=1 systemctl" + (" --global" if scope == "user" else "")
    script = ""
    if options.get("masked") is False:
        script += f"{systemctl} unmask -- '{name}'\n"
    has_file = "content" in options or "src" in options
    if has_file:
        directory = f"/etc/systemd/{scope}" + (f"/{name}.d" if "drop_in" in options else "")
        dest = f"{directory}/{options.get('drop_in', name)}"
        script += f"mkdir -p '{directory}'\ninstall -T -m 0644 \"$FILES/unit\" '{dest}'\n"
    if options.get("enabled") is False:
        script += f"{systemctl} disable -- '{name}'\n"
    elif options.get("enabled"):
        script += _enable(systemctl, name)
    # Last, because a mask hides from `disable` what it would have to take away.
    if options.get("masked"):
        script += f"{systemctl} mask -- '{name}'\n"
    return (
        Run(
            script,
            files={"unit": options["src"]} if "src" in options else {},
            contents={"unit": options["content"]} if "content" in options else {},
        ),
    )


def _enable(systemctl: str, name: str) -> str:
    """To systemctl it is no error that a unit says nothing of when it starts."""
    failed = fail(
        f"the unit {name} cannot be enabled", "put its file in by this step, or install its package before it"
    )
    static = fail(
        f"the unit {name} has no section [Install], so that enabling it does nothing",
        "give it one, such as WantedBy=multi-user.target, or leave out enabled",
    )
    # `enable` says of a masked unit that it does not exist, or that it is masked, as the version has it.
    masked = fail(
        f"the unit {name} is masked in the image, so that it cannot be enabled", "unmask it by masked: false as well"
    )
    return f"""\
case $({systemctl} is-enabled -- '{name}' 2>/dev/null || :) in masked*) {masked} ;; esac
{systemctl} enable -- '{name}' || {failed}
case $({systemctl} is-enabled -- '{name}' || :) in static) {static} ;; esac
"""


KIND = StepKind(
    name="systemd_unit",
    description="""
        Put in a systemd unit or a drop-in for one, and say whether it starts at boot.

        No service manager runs in the image; nothing is started or stopped. A template, such as C(web@.service), is put
        in by that name, and its instances, such as C(web@1.service), are enabled by theirs.
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
        "remote_src": REMOTE_SRC_OPTION,
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
        "scope": {
            "type": "str",
            "choices": ["system", "user"],
            "default": "system",
            "description": """
                V(user): a unit of each user's own service manager, in C(/etc/systemd/user). O(enabled) and O(masked)
                then hold for all users, as by C(systemctl --global).
            """,
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
    example="""\
- systemd_unit:
    name: web.service
    content: |
      [Unit]
      Wants=network-online.target
      After=network-online.target
      [Service]
      ExecStart=/usr/local/bin/web
      [Install]
      WantedBy=multi-user.target
    enabled: true
- systemd_unit:
    name: ssh.service
    drop_in: 10-restart.conf
    content: |
      [Service]
      Restart=always
""",
)
