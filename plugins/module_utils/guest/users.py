# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The users of a guest. No password and no hash of one leaves this file."""

from __future__ import annotations

import base64
import binascii
import hashlib
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .tree import Tree

_KEYS = (".ssh/authorized_keys", ".ssh/authorized_keys2")
"""sshd's default."""
_KEY = re.compile(
    r"(?:^|\s)(?P<type>(?:sk-)?(?:ssh|ecdsa)-[A-Za-z0-9@.-]+)\s+(?P<blob>AAAA[A-Za-z0-9+/]+={0,3})(?:\s+(?P<comment>.*))?$"
)


@dataclass(frozen=True)
class AuthorizedKey:
    """A key that may log in."""

    type: str
    fingerprint: str
    """As ``ssh-keygen -l`` prints it: ``SHA256:…``."""
    comment: str
    path: str


@dataclass(frozen=True)
class User:
    name: str
    uid: int
    gid: int
    gecos: str
    home: str
    shell: str
    groups: Sequence[str]
    """All groups, the first of which is that of ``gid``."""
    password: str
    """``locked`` (begins with ``!``), ``none`` (nothing fits, such as ``*``), ``empty`` (no password is needed) or
    ``hash``."""
    authorized_keys: Sequence[AuthorizedKey]


def read_users(tree: Tree) -> list[User]:
    """The users of /etc/passwd, in its order."""
    fields = parse_table(tree.text("/etc/passwd") or "", 7)
    groups = parse_table(tree.text("/etc/group") or "", 4)
    shadow = {entry[0]: entry[1] for entry in parse_table(tree.text("/etc/shadow") or "", 2)}
    paths = {posixpath.join(entry[5], keys): entry[0] for entry in fields if entry[5].startswith("/") for keys in _KEYS}
    contents = tree.read_many(paths)
    keys: dict[str, list[AuthorizedKey]] = {}
    for path, content in contents.items():
        keys.setdefault(path, []).extend(parse_authorized_keys(content.decode("utf-8", "replace"), path))
    return [
        User(
            name=name,
            uid=int(uid),
            gid=int(gid),
            gecos=gecos,
            home=home,
            shell=shell,
            groups=_groups_of(name, gid, groups),
            password=password_state(shadow.get(name, "*") if password == "x" else password),
            authorized_keys=[key for file in _KEYS for key in keys.get(posixpath.join(home, file), ())],
        )
        for name, password, uid, gid, gecos, home, shell in (entry[:7] for entry in fields)
        if re.fullmatch("[0-9]{1,10}", uid) and re.fullmatch("[0-9]{1,10}", gid)
    ]


def parse_table(text: str, columns: int) -> list[list[str]]:
    """The fields of a file such as /etc/passwd; lines with fewer than ``columns`` are left out."""
    lines = (line.split(":") for line in text.splitlines() if line and not line.startswith("#"))
    return [fields for fields in lines if len(fields) >= columns]


def password_state(field: str) -> str:
    """What the second field of shadow(5) comes to."""
    if not field:
        return "empty"
    if field.startswith("!"):
        return "locked"
    # crypt(5): a method between dollar signs, or the thirteen characters of DES.
    is_hash = re.fullmatch(r"\$[^:*!]+|_?[./0-9A-Za-z]{13,}", field)
    return "hash" if is_hash else "none"


def parse_authorized_keys(text: str, path: str) -> list[AuthorizedKey]:
    """The keys of an authorized_keys file (sshd(8)); options may stand before each."""
    found = []
    for line in text.splitlines():
        match = None if line.lstrip().startswith("#") else _KEY.search(line.strip())
        if match is None:
            continue
        try:
            blob = base64.b64decode(match["blob"], validate=True)
        except binascii.Error:
            continue
        digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
        found.append(AuthorizedKey(match["type"], f"SHA256:{digest}", match["comment"] or "", path))
    return found


def _groups_of(name: str, gid: str, groups: Sequence[Sequence[str]]) -> list[str]:
    first = [fields[0] for fields in groups if fields[2] == gid][:1]
    others = [fields[0] for fields in groups if name in fields[3].split(",") and fields[0] not in first]
    return [*first, *sorted(others)]
