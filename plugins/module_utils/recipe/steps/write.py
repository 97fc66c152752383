# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file written into the image."""

from __future__ import annotations

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Write
from ..values import (
    GROUP_OPTION,
    IN_IMAGE_OPTION,
    MODE_OPTION,
    OWNER_OPTION,
    checked_file,
    file_path,
    require_in_image,
)


def _check(options: Options) -> Options:
    if "secret_content" in options:
        require_in_image(options, "secret_content")
    for option in ("content", "secret_content"):
        if "\0" in options.get(option, ""):
            raise BadRequestError(f"{option} has a NUL byte", "Put a file that is not text in by a step upload")
    return {**checked_file(options), "dest": file_path("dest", options["dest"])}


def _render(options: Options) -> tuple[Operation, ...]:
    content = options["content"] if "content" in options else options["secret_content"]
    return (Write(content, options["dest"], options["mode"], options["owner"], options["group"]),)


KIND = StepKind(
    name="write",
    description="""
        Write a file inside the image, replacing what is there.

        O(content) stands in the build record. A secret does not belong there, but in O(secret_content).
    """,
    options={
        "dest": {
            "type": "str",
            "required": True,
            "description": """
                Absolute path inside the image. Its directory has to exist there; the step C(mkdir) makes one.
            """,
        },
        "content": {
            "type": "str",
            "description": "What the file is to hold, byte for byte in UTF-8: no line break is added at its end.",
        },
        "secret_content": {
            "type": "str",
            "no_log": True,
            "description": """
                The same, where it is a secret: it stands in no log, no argument list and no record. It needs
                O(in_image).
            """,
        },
        "mode": MODE_OPTION,
        "owner": OWNER_OPTION,
        "group": GROUP_OPTION,
        "in_image": IN_IMAGE_OPTION,
    },
    rules={"mutually_exclusive": [["content", "secret_content"]], "required_one_of": [["content", "secret_content"]]},
    check=_check,
    render=_render,
    example="""
        - write:
            dest: /etc/motd
            content: |
              Built by image_customize.
        - write:
            dest: /etc/agent/token
            secret_content: "{{ vault_agent_token }}"
            in_image: true
            mode: "0600"
    """,
)
