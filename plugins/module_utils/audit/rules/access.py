# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can log in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import posixpath
import re
import typing as t
from collections.abc import Iterable, Iterator

from ..model import ALWAYS, Context, Finding, Rule

_DEFAULT_KEY_FILES = (".ssh/authorized_keys", ".ssh/authorized_keys2")
_SSHD_CONFIG = ("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf")
_CA, _COMMAND = "trustedusercakeys", "authorizedkeyscommand"
_KEY = re.compile(r"(?:^|\s)(?P<type>[a-z0-9@.-]+)\s+(?P<blob>AAAA[A-Za-z0-9+/=]+)")
# crypt(5): `$id$…`, or 13 characters of DES, or `_` and 19 of BSDi.
_HASH = re.compile(r"\$[0-9a-z]+\$.+|[./0-9A-Za-z]{13}|_[./0-9A-Za-z]{19}")
_SHADOW = "/etc/shadow"
_COPIES = ("/etc/shadow-", "/var/backups/shadow.bak", "/etc/passwd", "/etc/passwd-", "/var/backups/passwd.bak")
_GROUPS = ("/etc/gshadow", "/etc/gshadow-", "/var/backups/gshadow.bak")
_EARLIER = "/etc/security/opasswd"


def _authorized_keys(context: Context) -> Iterator[Finding]:
    # Two accounts may have one home, such as root and toor.
    users: dict[str, list[str]] = {}
    for user, path in _key_files(context):
        users.setdefault(path, []).append(user)
    for path in sorted(users):
        given = (key for user in users[path] for key in context.expected.authorized_keys.get(user, ()))
        for line in _foreign(context, path, given):
            yield Finding(path, f"lets {_described(line)} log in as {' or '.join(users[path])}")
    named = {context.tree.resolve(posixpath.join("/", setting.words[0])) for setting in _settings(context, _CA)}
    for path in sorted(filter(None, named)):
        for line in _foreign(context, path):
            yield Finding(path, f"lets everybody log in whose certificate is signed by {_described(line)}")
    for setting in _settings(context, _COMMAND):
        program, lines = setting.words[0], context.expected.lines.get(setting.path, ())
        meant = setting.line in map(str.strip, lines) or any(map(context.put_in_whole, (setting.path, program)))
        if program.lower() != "none" and not meant:
            yield Finding(setting.path, f"lets everybody log in whose key {program} prints")


def _foreign(context: Context, path: str, given: Iterable[str] = ()) -> Iterator[str]:
    """Lines with a key that is neither given nor what the recipe wrote there."""
    if context.put_in_whole(path):
        return
    known = {key for line in (*given, *context.expected.lines.get(path, ())) for key in keys(line)}
    for line in map(str.strip, context.text(path).splitlines()):
        if line and not line.startswith("#") and not known & keys(line):
            yield line


def _key_files(context: Context) -> Iterator[tuple[str, str]]:
    """User and real path of each file that sshd may look into, and that is there."""
    configured = (word for setting in _settings(context, "authorizedkeysfile") for word in setting.words)
    patterns = {*_DEFAULT_KEY_FILES, *(word for word in configured if word != "none")}
    named = [("root", "/etc/dropbear/authorized_keys")]
    for user, home in context.accounts:
        for pattern in patterns:
            path = pattern.replace("%%", "\0").replace("%h", home).replace("%u", user).replace("\0", "%")
            named.append((user, posixpath.join(home, path)))
    for user, path in named:
        real = context.tree.resolve(path)
        entry = context.by_path.get(real or "")
        if entry is not None and entry.type == "file":
            yield user, entry.path


class _Setting(t.NamedTuple):
    path: str
    """The file of sshd's that has it."""
    line: str
    words: list[str]
    """Its values, at least one."""


def _settings(context: Context, keyword: str) -> Iterator[_Setting]:
    for entry in context.matching(*_SSHD_CONFIG, types=("file", "link")):
        for line in map(str.strip, context.text(entry.path).splitlines()):
            words = line.replace("=", " ").replace('"', "").split()
            if len(words) > 1 and words[0].lower() == keyword:
                yield _Setting(entry.path, line, words[1:])


def keys(line: str) -> frozenset[str]:
    """The keys of a line, without options and comments: what tells them apart."""
    return frozenset(found["blob"] for found in _KEY.finditer(line))


def _described(line: str) -> str:
    found = _KEY.search(line)
    if found is None:
        return f"whoever has the key in {line[:40]!r}"
    comment = line[found.end() :].strip()
    try:
        digest = base64.b64encode(hashlib.sha256(base64.b64decode(found["blob"])).digest()).decode().rstrip("=")
    except binascii.Error:
        digest = "unreadable"
    return f"the key SHA256:{digest} ({found['type']}{f', {comment}' if comment else ''})"


def _passwords(context: Context) -> Iterator[Finding]:
    given = context.expected.passwords
    meant: set[tuple[str, str]] = set()
    for user, password in _fields(context, _SHADOW):
        if user in given and given[user] in ("", password.lstrip("!*")):
            meant.add((user, password.lstrip("!*")))
    for path in (_SHADOW, *_COPIES, *_GROUPS):
        what = "group" if path in _GROUPS else "user"
        for name, password in _fields(context, path):
            hashed = password.lstrip("!*")
            if not password and what == "user":
                yield Finding(path, f"lets the user {name} log in without a password")
            elif _HASH.fullmatch(hashed) and (what == "group" or (name, hashed) not in meant):
                locked = ", which is locked" if hashed != password else ""
                yield Finding(path, f"has the hash of a password of the {what} {name}{locked}")
    for line in context.text(_EARLIER).splitlines():
        user, dummy, rest = line.partition(":")
        if any(hashed and (user, hashed) not in meant for hashed in rest.rpartition(":")[2].split(",")):
            yield Finding(_EARLIER, f"has hashes of passwords that the user {user} had")


def _fields(context: Context, path: str) -> Iterator[tuple[str, str]]:
    """Name and password of each line."""
    for line in context.text(path).splitlines():
        fields = line.split(":")
        if len(fields) > 2:
            yield fields[0], fields[1]


RULES = (
    Rule(
        "authorized_keys",
        """
        No key lets anybody log in but those that the recipe's steps `user` and `ssh_inject` gave or that it wrote as a
        line into that file, and files that it put in by name; a directory does not name them. The same holds of the
        keys of `TrustedUserCAKeys`, and `AuthorizedKeysCommand` is there only where the recipe put in the program, or
        the file or the line of sshd's configuration. A key that was left by somebody who tried the image opens every
        clone, and a certificate authority opens it for all whom it signs.
        """,
        "Take the key out, as by a step delete for the file, or give it by the step user or ssh_inject. What else sshd "
        "is to trust a step write or upload puts in",
        _authorized_keys,
        ALWAYS,
    ),
    Rule(
        "passwords",
        """
        No account has a password but those that the recipe's steps `user` and `password` set, not even a locked one,
        and none can be entered without one. Copies of `/etc/shadow` have no other ones. A hash can be guessed at
        leisure by whoever has the image.
        """,
        "Take it away by the step password with disabled: true, or set one by the step password or user; the step "
        "generalise removes the copies",
        _passwords,
        ALWAYS,
    ),
)
