# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rendered template put into the image."""

from __future__ import annotations

from ..model import TEMPLATE, Options, StepKind
from ..operations import Operation, Upload
from ..values import (
    GROUP_OPTION,
    IN_IMAGE_OPTION,
    MODE_OPTION,
    OWNER_OPTION,
    checked_file,
    file_path,
    require_in_image,
    single_line,
)


def _check(options: Options) -> Options:
    single_line("src", options["src"])
    if options["secret"]:
        require_in_image(options, "the file, which is a secret,")
    return {**checked_file(options), "dest": file_path("dest", options["dest"])}


def _render(options: Options) -> tuple[Operation, ...]:
    return (Upload(options["src"], options["dest"], options["mode"], options["owner"], options["group"]),)


KIND = StepKind(
    name="template",
    description="""
        Render a Jinja template on the controller, as M(ansible.builtin.template) does, and put the result into the
        image, replacing what is there.

        A change of a variable changes the image; variables that differ at every run, such as the time, make a new one
        of every run.
    """,
    options={
        "src": {
            "type": "str",
            "required": True,
            "description": """
                The template. It is looked for on the controller in the C(templates) of the role and beside the
                playbook.
            """,
        },
        "dest": {
            "type": "str",
            "required": True,
            "description": "Absolute path of the file inside the image. Its directory has to exist there.",
        },
        "mode": MODE_OPTION,
        "owner": OWNER_OPTION,
        "group": GROUP_OPTION,
        "secret": {
            "type": "bool",
            "default": False,
            "description": "Whether what comes of it is a secret. It needs O(in_image).",
        },
        "in_image": IN_IMAGE_OPTION,
    },
    files={"src": TEMPLATE},
    check=_check,
    render=_render,
    example="""
        - template:
            src: chrony.conf.j2
            dest: /etc/chrony/chrony.conf
    """,
)
