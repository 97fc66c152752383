# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user account in the image."""

from __future__ import annotations

import shlex

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import authorized_keys, fail
from ..values import absolute_path, account_name, password_hash, public_key, single_line

_SUDO = {"nopasswd": "ALL=(ALL:ALL) NOPASSWD:ALL", "password": "ALL=(ALL:ALL) ALL"}


def _check(options: Options) -> Options:
    checked = {**options, "name": account_name("name", options["name"])}
    checked["groups"] = [account_name("groups", group) for group in options["groups"]]
    checked["authorized_keys"] = [public_key("authorized_keys", key) for key in options["authorized_keys"]]
    if "comment" in options and ":" in single_line("comment", options["comment"]):
        raise BadRequestError("comment must not have a colon, which separates the fields of /etc/passwd")
    if "shell" in options:
        checked["shell"] = absolute_path("shell", options["shell"])
    if "group" in options:
        checked["group"] = account_name("group", options["group"])
    if "home" in options:
        home = absolute_path("home", options["home"])
        if ":" in home:
            raise BadRequestError("home must not have a colon, which separates the fields of /etc/passwd")
        checked["home"] = home.rstrip("/") or "/"
    if not 0 <= options.get("uid", 0) < 2**32 - 1:
        raise BadRequestError(f"uid has to be from 0 to 4294967294 and is {options['uid']}")
    _check_password(options)
    return checked


def _check_password(options: Options) -> None:
    """None of the messages shows it."""
    if "password" in options:
        password = options["password"]
        if not password or any(character in password for character in "\n\r\0"):
            raise BadRequestError(
                "password is empty or not one line of text", "For a user without a password, leave it out"
            )
    if "password_hash" in options:
        hashed = options["password_hash"]
        if hashed in ("!", "*", "!!", "!*"):
            # As a secret it would be masked wherever it stands in what Ansible prints.
            raise BadRequestError("password_hash does not lock passwords", "Write password_locked: true in its place")
        password_hash("password_hash", hashed)


def _render(options: Options) -> tuple[Operation, ...]:
    name = options["name"]
    groups = options["groups"]
    joined = dict.fromkeys([*groups, *([options["group"]] if "group" in options else [])])
    script = "".join(_require_group(group, name) for group in joined)
    script += _account(options)
    if groups:
        script += f"usermod --append --groups {','.join(groups)} -- {name}\n"
    contents = {}
    for option, arguments in (("password", ""), ("password_hash", " --encrypted")):
        if option in options:
            # By a file in memory: no argument list ever shows it.
            contents["password"] = f"{name}:{options[option]}\n"
            script += f'chpasswd{arguments} <"$FILES/password"\n'
    if options["password_locked"]:
        script += f"usermod --lock -- {name}\n"
    if options["authorized_keys"]:
        script += authorized_keys(name, options["authorized_keys"])
    if "sudo" in options:
        script += _sudo(name, options["sudo"])
    return (Run(script, contents=contents),)


def _require_group(group: str, user: str) -> str:
    missing = f"the group {group} of the user {user} does not exist in the image"
    return f"getent group {group} >/dev/null || {fail(missing, 'make it by a step group before this one')}\n"


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
    if "home" in options:
        common += ["--home", options["home"]]
    new = [*common, "--system"] if options["system"] else [*common, "--create-home"]
    if "shell" not in options:
        new += ["--shell", "/usr/sbin/nologin" if options["system"] else "/bin/bash"]
    if "group" in options:
        common += ["--gid", options["group"]]
        own = f"useradd {shlex.join([*new, '--gid', options['group'], '--no-user-group'])} -- {name}"
    else:
        own = f"""\
if getent group {name} >/dev/null; then
    useradd {shlex.join(new)} --gid {name} -- {name}
else
    useradd {shlex.join(new)} --user-group -- {name}
fi"""
    change = f"usermod {shlex.join(common)} -- {name}" if common else ":"
    return f"if getent passwd {name} >/dev/null; then\n{change}\nelse\n{own}\nfi\n"


def _sudo(name: str, sudo: str) -> str:
    path = f"/etc/sudoers.d/90-goldsmith-{name}"
    if sudo == "none":
        return f"rm -f {path}\n"
    # sudo does not read files with a dot in their name: nothing half-written counts.
    return f"""\
[ -d /etc/sudoers.d ] || {fail("sudo is not installed in the image: install it by a step packages before this one")}
(umask 0337 && printf '%s\\n' {shlex.quote(f"{name} {_SUDO[sudo]}")} >{path}.new)
if command -v visudo >/dev/null; then visudo -c -q -f {path}.new; fi
mv -f {path}.new {path}
"""


KIND = StepKind(
    name="user",
    description="""
        Make a user, or bring one that exists to what is asked for. What is not named stays as it is.

        Without O(password) and O(password_hash) a new user cannot log in with a password.

        The user that C(cloud-init) makes at the first boot, such as C(ubuntu), is not in the image: for its keys there
        is C(ssh_authorized_keys) of C(cloud_config).
    """,
    options={
        "name": {"type": "str", "required": True, "description": "Name of the user."},
        "comment": {"type": "str", "description": "Full name, or another comment."},
        "groups": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": """
                Groups to join, beside the user's own and those joined already. They have to exist: C(group) makes them.
            """,
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
        "uid": {
            "type": "int",
            "description": """
                Numerical user ID. Without it a new user gets the next after the highest that is taken, and the user
                that C(cloud-init) makes at the first boot gets the one after that.
            """,
        },
        "group": {
            "type": "str",
            "description": "The user's primary group, which has to exist. A new user gets one of the same name.",
        },
        "home": {
            "type": "str",
            "description": "Home directory. It is made for a new user who is no O(system) user, and never moved.",
        },
        "password": {
            "type": "str",
            "no_log": True,
            "description": """
                The password. It is hashed in the image, by the image's own settings, and stands in no argument list,
                log or record.
            """,
        },
        "password_hash": {
            "type": "str",
            "no_log": True,
            "description": """
                Hash of the password as in crypt(5). It belongs into the image, and stands in no log and no record.
            """,
        },
        "password_locked": {
            "type": "bool",
            "default": False,
            "description": "Whether the password is locked, as by C(usermod --lock). Keys still work.",
        },
    },
    rules={"mutually_exclusive": [["password", "password_hash"]]},
    check=_check,
    render=_render,
    example="""\
- user:
    name: ops
    comment: Operations
    groups: [adm]
    sudo: nopasswd
    authorized_keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com
""",
)
