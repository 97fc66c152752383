# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image's time zone."""

from __future__ import annotations

import re
import shlex

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run

_TIMEZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")

# /etc/timezone is Debian's, and only kept right where it is there.
_SCRIPT = """\
name=@NAME@
if [ ! -e "/usr/share/zoneinfo/$name" ]; then
    echo "the image has no time zone $name: is the package tzdata installed?" >&2
    exit 1
fi
ln -sfT "/usr/share/zoneinfo/$name" /etc/localtime
if [ -e /etc/timezone ]; then printf '%s\\n' "$name" >/etc/timezone; fi
"""


def _check(options: Options) -> Options:
    if not _TIMEZONE.fullmatch(options["name"]):
        raise BadRequestError(
            f"name is no time zone: {options['name']!r}", "Use a name of the tz database such as Europe/Oslo or Etc/UTC"
        )
    return options


def _render(options: Options) -> tuple[Operation, ...]:
    return (Run(_SCRIPT.replace("@NAME@", shlex.quote(options["name"]))),)


KIND = StepKind(
    name="timezone",
    description="Set the time zone.",
    options={
        "name": {
            "type": "str",
            "required": True,
            "description": """
                A name of the tz database, such as V(Europe/Oslo). The image has to know it (package C(tzdata)).
            """,
        }
    },
    check=_check,
    render=_render,
    example="""
        - timezone:
            name: Etc/UTC
    """,
)
