# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file put into the image."""

from __future__ import annotations

import posixpath

from ..model import FILE, Options, StepKind
from ..operations import Operation, Upload
from ..values import (
    GROUP_OPTION,
    IN_IMAGE_OPTION,
    MODE_OPTION,
    OWNER_OPTION,
    REMOTE_SRC_OPTION,
    absolute_path,
    checked_file,
    require_in_image,
    single_line,
)


def _check(options: Options) -> Options:
    source = single_line("src", options["src"])
    dest = absolute_path("dest", options["dest"])
    if dest.endswith("/"):
        dest += posixpath.basename(source)
    if options["secret"]:
        require_in_image(options, "the file, which is a secret,")
    return {**checked_file(options), "dest": dest}


def _render(options: Options) -> tuple[Operation, ...]:
    return (Upload(options["src"], options["dest"], options["mode"], options["owner"], options["group"]),)


KIND = StepKind(
    name="upload",
    description="""
        Put a file into the image, replacing what is there. A directory is put in by the step C(copy_in), an archive by
        C(tar_in).
    """,
    options={
        "src": {
            "type": "str",
            "required": True,
            "description": """
                The file. It is looked for on the controller as M(ansible.builtin.copy) does, in the C(files) of the
                role and beside the playbook, and decrypted where it is encrypted by Ansible Vault.

                It travels to the target only when the image has to be built and the store does not have it yet.
            """,
        },
        "remote_src": REMOTE_SRC_OPTION,
        "dest": {
            "type": "str",
            "required": True,
            "description": """
                Absolute path inside the image. With a slash at the end it is the directory that the file is put into.

                The directory has to exist in the image; the step C(mkdir) makes one.
            """,
        },
        "mode": MODE_OPTION,
        "owner": OWNER_OPTION,
        "group": GROUP_OPTION,
        "secret": {
            "type": "bool",
            "default": False,
            "description": """
                Whether the file is a secret. Then not even its digest stands in the build record, but a seal that is of
                no use without the store's key. It needs O(in_image).
            """,
        },
        "in_image": IN_IMAGE_OPTION,
    },
    files={"src": FILE},
    check=_check,
    render=_render,
    example="""
        - upload:
            src: files/agent.conf
            dest: /etc/agent/
            mode: "0640"
            group: adm
        - upload:
            src: files/licence.key
            dest: /etc/agent/licence.key
            mode: "0600"
            secret: true
            in_image: true
    """,
)
