# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file written into the image."""

from __future__ import annotations

from ..model import Options, StepKind
from ..operations import Operation, Write
from ..values import GROUP_OPTION, MODE_OPTION, OWNER_OPTION, checked_file, file_path


def _check(options: Options) -> Options:
    return {**checked_file(options), "dest": file_path("dest", options["dest"])}


def _render(options: Options) -> tuple[Operation, ...]:
    return (Write(options["content"], options["dest"], options["mode"], options["owner"], options["group"]),)


KIND = StepKind(
    name="write",
    description="""
        Write a file inside the image, replacing what is there.

        The content stands in the build record. A secret does not belong here.
    """,
    options={
        "dest": {
            "type": "str",
            "required": True,
            "description": "Absolute path inside the image. Its directory has to exist there.",
        },
        "content": {
            "type": "str",
            "required": True,
            "description": "What the file is to hold, byte for byte in UTF-8: no line break is added at its end.",
        },
        "mode": MODE_OPTION,
        "owner": OWNER_OPTION,
        "group": GROUP_OPTION,
    },
    check=_check,
    render=_render,
)
