# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user account in the image."""

from __future__ import annotations

import re
import shlex

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import authorized_keys
from ..values import absolute_path, account_name, public_key, single_line

_SUDO = {"nopasswd": "ALL=(ALL:ALL) NOPASSWD:ALL", "password": "ALL=(ALL:ALL) ALL"}
# crypt(5): `$id$…`, or a locked account.
_PASSWORD_HASH = re.compile(r"\$[0-9a-z]+\$[^\s:]+|[!*]")


def _check(options: Options) -> Options:
    checked = {**options, "name": account_name("name", options["name"])}
    checked["groups"] = [account_name("groups", group) for group in options["groups"]]
    checked["authorized_keys"] = [public_key("authorized_keys", key) for key in options["authorized_keys"]]
    if "comment" in options and ":" in single_line("comment", options["comment"]):
        raise BadRequestError("comment must not have a colon, which separates the fields of /etc/passwd")
    if "shell" in options:
        checked["shell"] = absolute_path("shell", options["shell"])
    if options.get("uid", 0) < 0:
        raise BadRequestError(f"uid has to be at least 0 and is {options['uid']}")
    if "password_hash" in options and not _PASSWORD_HASH.fullmatch(options["password_hash"]):
        raise BadRequestError(
            "password_hash is not a hash of crypt(5)",
            "Make one with the filter `ansible.builtin.password_hash('sha512')`, or by `openssl passwd -6`",
        )
    return checked


def _render(options: Options) -> tuple[Operation, ...]:
    name = options["name"]
    script = _account(options)
    for group in options["groups"]:
        script += f"""\
getent group {group} >/dev/null || {{
    echo 'the group {group} of the user {name} does not exist in the image: make it by a step before this one' >&2
    exit 1
}}
"""
    if options["groups"]:
        script += f"usermod --append --groups {','.join(options['groups'])} -- {name}\n"
    if "password_hash" in options:
        # By printf, which is part of the shell: no argument list ever shows it.
        script += f"printf '%s\\n' {shlex.quote(name + ':' + options['password_hash'])} | chpasswd --encrypted\n"
    if options["authorized_keys"]:
        script += authorized_keys(name, options["authorized_keys"])
    if "sudo" in options:
        script += _sudo(name, options["sudo"])
    return (Run(script),)


def _account(options: Options) -> str:
    """Make the account, or change what is asked for in the one that is there."""
    name = options["name"]
    common = []
    if "uid" in options:
        common += ["--uid", str(options["uid"])]
    if "comment" in options:
        common += ["--comment", options["comment"]]
    if "shell" in options:
        common += ["--shell", options["shell"]]
    new = [*common, "--system"] if options["system"] else [*common, "--create-home"]
    if "shell" not in options:
        new += ["--shell", "/usr/sbin/nologin" if options["system"] else "/bin/bash"]
    change = f"usermod {shlex.join(common)} -- {name}" if common else ":"
    return f"""\
if getent passwd {name} >/dev/null; then
    {change}
elif getent group {name} >/dev/null; then
    useradd {shlex.join(new)} --gid {name} -- {name}
else
    useradd {shlex.join(new)} --user-group -- {name}
fi
"""


def _sudo(name: str, sudo: str) -> str:
    path = f"/etc/sudoers.d/90-goldsmith-{name}"
    if sudo == "none":
        return f"rm -f {path}\n"
    # sudo does not read files with a dot in their name: nothing half-written counts.
    return f"""\
[ -d /etc/sudoers.d ] || {{
    echo 'sudo is not installed in the image: install it by a step packages before this one' >&2
    exit 1
}}
(umask 0337 && printf '%s\\n' {shlex.quote(f"{name} {_SUDO[sudo]}")} >{path}.new)
if command -v visudo >/dev/null; then visudo -c -q -f {path}.new; fi
mv -f {path}.new {path}
"""


KIND = StepKind(
    name="user",
    description="""
        Make a user, or bring one that exists to what is asked for. What is not named stays as it is.

        Without O(password_hash) a new user cannot log in with a password.
    """,
    options={
        "name": {"type": "str", "required": True, "description": "Name of the user."},
        "comment": {"type": "str", "description": "Full name, or another comment."},
        "groups": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Groups to join, beside the user's own and those joined already. They have to exist.",
        },
        "shell": {
            "type": "str",
            "description": """
                Login shell. A new user gets C(/bin/bash), a new O(system) user C(/usr/sbin/nologin).
            """,
        },
        "sudo": {
            "type": "str",
            "choices": ["nopasswd", "password", "none"],
            "description": """
                Whether the user may do everything by C(sudo), without a password or with the user's own, by a file in
                C(/etc/sudoers.d). V(none) removes that file. Without it, that stays as it is.
            """,
        },
        "authorized_keys": {
            "type": "list",
            "elements": "str",
            "default": [],
            "no_log": False,
            "description": "Public SSH keys to add to those that the user has.",
        },
        "system": {
            "type": "bool",
            "default": False,
            "description": """
                Whether a new user is a system user: an ID from the system's range, and no home directory.
            """,
        },
        "uid": {"type": "int", "description": "Numerical user ID."},
        "password_hash": {
            "type": "str",
            "no_log": True,
            "description": """
                Hash of the password as in crypt(5). It belongs into the image, and stands in no log and no record.

                V(*) or V(!) locks the password.
            """,
        },
    },
    check=_check,
    render=_render,
)
