# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories of the controller put into the image."""

from __future__ import annotations

from ..archives import unpack
from ..model import TREE, Options, StepKind
from ..operations import Operation, Run
from ..values import GROUP_OPTION, OWNER_OPTION, REMOTE_SRC_OPTION, account_or_id, existing_path, single_line


def _check(options: Options) -> Options:
    single_line("src", options["src"])
    dest = options["dest"]
    return {
        **options,
        "dest": "/" if dest.strip("/") == "" and dest else existing_path("dest", dest),
        "owner": account_or_id("owner", options["owner"]),
        "group": account_or_id("group", options["group"]),
    }


def _render(options: Options) -> tuple[Operation, ...]:
    # The archive has no owners; who unpacks it is root.
    owner, group = ("" if name in {"root", "0"} else name for name in (options["owner"], options["group"]))
    script = unpack("src", options["dest"], owner, group, options="--no-same-owner --touch ")
    return (Run(script, files={"src": options["src"]}),)


KIND = StepKind(
    name="copy_in",
    description="""
        Put a directory, with all that is in it, or a file below a directory of the image. It keeps its name; what is
        there under that name stays where the new one has nothing of the same name.

        Files become C(0644), or C(0755) where their owner may execute them, directories C(0755); directories that the
        image has already stay as they are. Symbolic links stay links. For another mode use the steps C(chmod) or
        C(upload).
    """,
    options={
        "src": {
            "type": "str",
            "required": True,
            "description": """
                The directory or file. It is looked for on the controller as in C(upload), and files in it that are
                encrypted by Ansible Vault are decrypted.
            """,
        },
        "remote_src": REMOTE_SRC_OPTION,
        "dest": {
            "type": "str",
            "required": True,
            "description": "Absolute path of the directory of the image to put it into. It has to exist.",
        },
        "owner": {**OWNER_OPTION, "description": "User of the image who owns it and all below it, by name or number."},
        "group": {**GROUP_OPTION, "description": "Group of the image that it belongs to, by name or number."},
    },
    files={"src": TREE},
    check=_check,
    render=_render,
    example="""
        - copy_in:
            src: files/site
            dest: /var/www
            owner: www-data
            group: www-data
    """,
)
