# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A public key for a user of the image."""

from __future__ import annotations

from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import authorized_keys
from ..values import account_name, public_key


def _check(options: Options) -> Options:
    return {"user": account_name("user", options["user"]), "key": public_key("key", options["key"])}


def _render(options: Options) -> tuple[Operation, ...]:
    user = options["user"]
    exists = f"""\
getent passwd {user} >/dev/null || {{
    echo 'the user {user} does not exist in the image' >&2
    echo 'If cloud-init makes it at first boot, as it makes ubuntu, give the key to cloud-init: as' >&2
    echo 'ssh_authorized_keys in the user-data, or in a file of /etc/cloud/cloud.cfg.d by a step write' >&2
    echo 'Otherwise make the user by a step user before this one' >&2
    exit 1
}}
"""
    return (Run(exists + authorized_keys(user, [options["key"]])),)


KIND = StepKind(
    name="ssh_inject",
    description="""
        Append a public key to the C(authorized_keys) of a user that exists in the image.

        Ubuntu's default user C(ubuntu) does not: cloud-init makes it at first boot. Give its keys to cloud-init
        (C(ssh_authorized_keys) in the user-data or in a file of C(/etc/cloud/cloud.cfg.d)), or make a user of your
        own with the step C(user).
    """,
    options={
        "user": {
            "type": "str",
            "required": True,
            "description": "Name of the user.",
        },
        "key": {
            "type": "str",
            "required": True,
            "no_log": False,
            "description": "The public key, one line of an C(authorized_keys) file.",
        },
    },
    check=_check,
    render=_render,
)
