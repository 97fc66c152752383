# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's password."""

from __future__ import annotations

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import fail
from ..values import account_name, password_hash

_METHODS = {"sha512": "SHA512", "yescrypt": "YESCRYPT"}


def _check(options: Options) -> Options:
    checked = {**options, "user": account_name("user", options["user"])}
    password = options.get("password")
    if password is not None and (not password or any(character in password for character in "\n\r\0")):
        raise BadRequestError("password is empty or has a line break in it", "Give one line of text")
    if "password_hash" in options:
        checked["password_hash"] = password_hash("password_hash", options["password_hash"])
    if "method" in options and password is None:
        raise BadRequestError("method says how password is hashed, and there is none", "Leave it out")
    if options.get("disabled") is False:
        raise BadRequestError("disabled cannot be false: an account is enabled by a password", "Give password")
    return checked


def _render(options: Options) -> tuple[Operation, ...]:
    user = options["user"]
    missing = fail(
        f"the user {user} does not exist in the image",
        "Make it by a step user before this one. One that cloud-init makes at first boot, as it makes ubuntu, gets its",
        "password from cloud-init",
    )
    script = f"getent passwd {user} >/dev/null || {missing}\n"
    contents = {}
    if "password" in options:
        contents["password"] = f"{user}:{options['password']}\n"
        script += _hashing(options)
    elif "password_hash" in options:
        contents["password"] = f"{user}:{options['password_hash']}\n"
        script += 'chpasswd --encrypted <"$FILES/password"\n'
    elif "disabled" in options:
        script += f"usermod --password '*' -- {user}\n"
    if "locked" in options:
        script += f"usermod {'--lock' if options['locked'] else '--unlock'} -- {user}\n"
    return (Run(script, contents=contents),)


def _hashing(options: Options) -> str:
    if "method" not in options:
        return 'chpasswd <"$FILES/password"\n'
    method = _METHODS[options["method"]]
    unknown = fail(
        f"chpasswd of the image cannot hash by {options['method']}",
        "Leave out method, so that the password is hashed as the image does it by itself, or give password_hash",
    )
    return f"""\
case $(chpasswd --help 2>&1) in *{method}*) ;; *) {unknown} ;; esac
chpasswd --crypt-method {method} <"$FILES/password"
"""


KIND = StepKind(
    name="password",
    description="""
        Set, disable or lock the password of a user that exists in the image. Keys for SSH are not touched by it.

        Every machine made from the image has this password.
    """,
    options={
        "user": {"type": "str", "required": True, "description": "Name of the user, such as V(root)."},
        "password": {
            "type": "str",
            "no_log": True,
            "description": """
                The password. The image's own C(chpasswd) hashes it, and only the hash stays in the image, so that no
                option has to say that a secret is meant to be in there. It stands in no log, no argument list and no
                record.
            """,
        },
        "password_hash": {
            "type": "str",
            "no_log": True,
            "description": "The password as a hash of crypt(5), such as the filter C(password_hash) makes.",
        },
        "method": {
            "type": "str",
            "choices": list(_METHODS),
            "description": """
                How O(password) is hashed. Without it that is as the image does it: by yescrypt in Debian and Ubuntu.

                V(yescrypt) by name needs a C(chpasswd) that knows it, which Ubuntu 22.04 does not have.
            """,
        },
        "disabled": {
            "type": "bool",
            "description": "V(true): the user has no password, and cannot log in by one.",
        },
        "locked": {
            "type": "bool",
            "description": """
                Whether the password, the new one or the one that is there, is locked: kept, but of no use until
                C(usermod --unlock). Without it a new password is not, and otherwise it stays as it is.
            """,
        },
    },
    rules={
        "mutually_exclusive": [["password", "password_hash", "disabled"]],
        "required_one_of": [["password", "password_hash", "disabled", "locked"]],
    },
    check=_check,
    render=_render,
    example="""
        - password:
            user: root
            password: "{{ vault_root_password }}"
        - password:
            user: backup
            disabled: true
    """,
)
