# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image's time zone."""

from __future__ import annotations

import re

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, SetTimezone

_TIMEZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")


def _check(options: Options) -> Options:
    if not _TIMEZONE.fullmatch(options["name"]):
        raise BadRequestError(
            f"name is no time zone: {options['name']!r}", "Use a name of the tz database such as Europe/Oslo or Etc/UTC"
        )
    return options


def _render(options: Options) -> tuple[Operation, ...]:
    return (SetTimezone(options["name"]),)


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
)
