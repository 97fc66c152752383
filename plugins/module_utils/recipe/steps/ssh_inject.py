# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A public key for a user of the image."""

from __future__ import annotations

from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import authorized_keys, fail
from ..values import account_name, public_key


def _check(options: Options) -> Options:
    return {"user": account_name("user", options["user"]), "key": public_key("key", options["key"])}


def _render(options: Options) -> tuple[Operation, ...]:
    user = options["user"]
    missing = fail(
        f"the user {user} does not exist in the image",
        "A default user such as ubuntu is made by cloud-init at first boot, and gets its keys from it:",
        "give them by the option ssh_authorized_keys of the step cloud_config, or in the user-data",
        "Otherwise make the user by a step user before this one",
    )
    return (Run(f"getent passwd {user} >/dev/null || {missing}\n{authorized_keys(user, [options['key']])}"),)


KIND = StepKind(
    name="ssh_inject",
    description="""
        Append a public key to the C(authorized_keys) of a user that exists in the image.

        The default user of cloud images, C(ubuntu) or C(debian), does not: cloud-init makes it at first boot. Give its
        keys to cloud-init, by the option C(ssh_authorized_keys) of the step C(cloud_config) or in the user-data, or
        make a user of your own with the step C(user).
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
    example="""
        - ssh_inject:
            user: root
            key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com
    """,
)
