# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that several steps share. Each returns the value in its canonical spelling or raises BadRequestError."""

from __future__ import annotations

import posixpath
import re
import typing as t
from collections.abc import Mapping

from ..common.errors import BadRequestError

_MODE = re.compile(r"0?[0-7]{3,4}")
_SYMBOLIC_MODE = re.compile(r"(?:[ugoa]*[-+=](?:[rwxXst]*|[ugo]))(?:,[ugoa]*[-+=](?:[rwxXst]*|[ugo]))*")
# The default NAME_REGEX of adduser(8) and useradd(8) in Debian and Ubuntu.
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_ID = re.compile(r"[0-9]{1,10}")
# crypt(5): `$id$…`. What locks a password is no hash, and Ansible would hide every `!` of the output as a secret.
_PASSWORD_HASH = re.compile(r"\$[0-9a-z]+\$[^\s:]+")
_PUBLIC_KEY = re.compile(
    r"(?:[^\s#].*\s)?(?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-nistp[0-9]+|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r"\s+[A-Za-z0-9+/]{40,}={0,3}(?:\s.*)?"
)

MODE_OPTION: Mapping[str, t.Any] = {
    "type": "raw",
    "default": "0644",
    "description": "Permissions in octal, quoted as in V('0644').",
}
OWNER_OPTION: Mapping[str, t.Any] = {
    "type": "str",
    "default": "root",
    "description": "User of the image who owns the file.",
}
GROUP_OPTION: Mapping[str, t.Any] = {
    "type": "str",
    "default": "root",
    "description": "Group of the image that the file belongs to.",
}
IN_IMAGE_OPTION: Mapping[str, t.Any] = {
    "type": "bool",
    "default": False,
    "description": """
        Whether it is meant that the secret stays in the image, where everybody who has the image can read it. Without
        it a secret is refused.
    """,
}
REMOTE_SRC_OPTION: Mapping[str, t.Any] = {
    "type": "bool",
    "default": False,
    "description": "Whether O(src) is a path on the target.",
}


def single_line(option: str, value: str) -> str:
    """Text without line breaks and NUL bytes, not empty."""
    if not value.strip() or any(character in value for character in "\n\r\0"):
        raise BadRequestError(f"{option} has to be one line of text and is {value!r}")
    return value


def text_line(option: str, value: str) -> str:
    """One line of a file, which may be empty."""
    if any(character in value for character in "\n\r\0"):
        raise BadRequestError(f"{option} has to be a single line and is {value!r}", "Write one step for each line")
    return value


def absolute_path(option: str, value: str) -> str:
    """A path inside the image, normalised, from the root; a slash at the end stays."""
    single_line(option, value)
    if not value.startswith("/"):
        raise BadRequestError(f"{option} has to be an absolute path and is {value!r}")
    if ".." in value.split("/"):
        raise BadRequestError(f"{option} has a `..` in it: {value!r}", "Write the path as it is inside the image")
    path = "/" + posixpath.normpath(value).lstrip("/")
    return f"{path}/" if value.endswith("/") and path != "/" else path


def file_path(option: str, value: str) -> str:
    """The absolute path of a file inside the image."""
    path = absolute_path(option, value)
    if path.endswith("/"):
        raise BadRequestError(f"{option} has to be the path of a file and is the directory {value!r}")
    return path


def existing_path(option: str, value: str) -> str:
    """The absolute path of something inside the image that is changed or taken away: not of all that is there."""
    path = absolute_path(option, value).rstrip("/")
    if not path:
        raise BadRequestError(f"{option} is `/`, which is the whole image", "Name what lies below it")
    return path


def path_pattern(option: str, value: str) -> str:
    """An absolute path with the wildcards of glob(7), and alternatives in braces as in csh(1)."""
    if value.startswith("{"):
        raise BadRequestError(f"{option} has to begin with `/` and is {value!r}", "Write the slash before the brace")
    existing_path(option, value)
    # A slash at the end stays: with it, a wildcard is for directories alone.
    return absolute_path(option, value)


def file_mode(value: t.Any) -> str:
    """``0644`` of ``"644"`` or ``"0644"``."""
    if not isinstance(value, str) or not _MODE.fullmatch(value):
        raise BadRequestError(
            f"mode has to be quoted octal digits and is {value!r}",
            'Write it as mode: "0644"; YAML reads 0644 without quotes as the number 420',
        )
    return f"{int(value, 8):04o}"


def file_permissions(value: t.Any) -> str:
    """What chmod(1) takes: octal as in :func:`file_mode`, or symbolic such as ``u=rwX,go=rX``."""
    if isinstance(value, str) and _SYMBOLIC_MODE.fullmatch(value):
        return value
    return file_mode(value)


def account_name(option: str, value: str) -> str:
    """The name of a user or a group."""
    if not _ACCOUNT.fullmatch(value):
        raise BadRequestError(
            f"{option} is no name for an account: {value!r}",
            "Use up to 32 lower-case letters, digits, `_` and `-`, beginning with a letter",
        )
    return value


def account_or_id(option: str, value: str) -> str:
    """The name or the number of a user or a group."""
    if _ID.fullmatch(value):
        return str(int(value))
    return account_name(option, value)


def password_hash(option: str, value: str) -> str:
    """The hash of a password, as crypt(5) has it; what it is, is not told."""
    if not _PASSWORD_HASH.fullmatch(value):
        raise BadRequestError(
            f"{option} is not a hash of crypt(5)",
            "Make one with the filter `ansible.builtin.password_hash('sha512')`, or by `openssl passwd -6`",
        )
    return value


def require_in_image(options: Mapping[str, t.Any], what: str) -> None:
    """Refuse to leave a secret in the image where the user has not said, by :data:`IN_IMAGE_OPTION`, that it is meant.

    ``what``: the secret, as in ``the API key``.
    """
    if not options["in_image"]:
        raise BadRequestError(
            f"{what} would stay in the image, and everybody who has the image could read it",
            "Say in_image: true if it belongs there; otherwise hand it to each machine at boot, as by cloud-init",
        )


def public_key(option: str, value: str) -> str:
    """One line of an ``authorized_keys`` file."""
    if "PRIVATE KEY" in value:
        raise BadRequestError(
            f"{option} holds a private key", "Give the public one, the content of the file that ends in .pub"
        )
    key = single_line(option, value.strip())
    if not _PUBLIC_KEY.fullmatch(key):
        raise BadRequestError(
            f"{option} is not an OpenSSH public key: {key[:60]!r}",
            "Give one line such as `ssh-ed25519 AAAA… name@host`, not the name of a file",
        )
    return key


def checked_file(options: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Options with ``mode``, ``owner`` and ``group`` checked."""
    return {
        **options,
        "mode": file_mode(options["mode"]),
        "owner": account_or_id("owner", options["owner"]),
        "group": account_or_id("group", options["group"]),
    }
