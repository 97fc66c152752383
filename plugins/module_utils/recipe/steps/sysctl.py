# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the kernel, sysctl(8)."""

from __future__ import annotations

import re
import typing as t

from ...common.errors import BadRequestError
from ..drop_in import DROP_IN_NAME_OPTION, drop_in_name
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..values import single_line

# As in sysctl.d(5): dots or slashes between the parts, `-` before a setting that may be missing, `*` for any part.
_KEY = re.compile(r"-?[A-Za-z0-9_*][A-Za-z0-9_*:-]*(?:[./][A-Za-z0-9_*:-]+)+")


def _check(options: Options) -> Options:
    if not options["settings"]:
        raise BadRequestError("settings is empty", "Name at least one setting, such as `net.ipv4.ip_forward: 1`")
    settings = {}
    for key, value in options["settings"].items():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise BadRequestError(
                f"settings has {key!r}, which is not the name of a setting",
                "Write it as sysctl does, such as net.ipv4.ip_forward",
            )
        settings[key] = _value(key, value)
    return {**options, "name": drop_in_name("name", options["name"]), "settings": settings}


def _value(key: str, value: t.Any) -> str:
    if isinstance(value, bool):
        raise BadRequestError(
            f"{key} is true or false and has to be a number or text",
            "Write 1 or 0: YAML reads yes and no so",
        )
    if not isinstance(value, (int, str)):
        raise BadRequestError(f"{key} has to be a number or text and is {value!r}", "Quote it, as in '4 4 1 7'")
    return single_line(key, str(value)).strip()


def _render(options: Options) -> tuple[Operation, ...]:
    lines = [f"{key} = {value}\n" for key, value in sorted(options["settings"].items())]
    dest = f"/etc/sysctl.d/{options['name']}.conf"
    script = f'mkdir -p /etc/sysctl.d\ninstall -T -m 0644 "$FILES/settings" {dest}\n'
    return (Run(script, contents={"settings": "".join(lines)}),)


KIND = StepKind(
    name="sysctl",
    description="""
        Set parameters of the kernel at boot, by a file in C(/etc/sysctl.d). A file of the same name is replaced.

        Nothing is applied while the image is built: the kernel that runs then is not the image's.
    """,
    options={
        "name": {
            **DROP_IN_NAME_OPTION,
            "description": """
                Name of the file without C(.conf), such as V(90-database). Of two files with the same setting the one
                that sorts last counts; Debian's and Ubuntu's own begin with V(10-) to V(99-).
            """,
        },
        "settings": {
            "type": "dict",
            "required": True,
            "description": "Values by the names that sysctl(8) has for them, such as V(net.ipv4.ip_forward).",
        },
    },
    check=_check,
    render=_render,
    example="""\
- sysctl:
    name: 90-database
    settings:
      vm.swappiness: 1
      vm.overcommit_memory: 2
      net.ipv4.ip_local_port_range: 10240 65535
""",
)
