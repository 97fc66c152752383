# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one operation of virt-customize to the steps that do the same."""

from __future__ import annotations

import posixpath
import re
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..common.errors import BadRequestError
from . import passwords
from .model import LOOK_AT, Files, Operation, Remark
from .subject import of_operation
from .text import Expansion, Text

Steps = list[dict[str, dict[str, t.Any]]]
"""Steps whose values are still :class:`Text`, or lists of it."""

# Directories of every Debian and Ubuntu that an upload's destination may name without the slash at its end.
_DIRECTORIES = re.compile(
    r"/(?:etc|home|mnt|opt|root|srv|tmp|var|usr(?:/local)?/(?:s?bin|lib|share)|usr(?:/local)?|var/(?:cache|lib|log|tmp)"
    r"|etc/(?:apt(?:/[a-z.]+\.d)?|cloud(?:/cloud\.cfg\.d)?|cron\.[a-z]+|default|netplan|profile\.d|ssh(?:/sshd_config\.d)?"
    r"|sudoers\.d|sysctl\.d|systemd(?:/system)?))"
)
_PUBLIC_KEYS = "~/.ssh/id_ed25519.pub"


@dataclass
class Turning:
    """What turning one operation after the other has to know."""

    files: Files
    remarks: list[Remark] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    """The shell's variables that hold a secret."""
    directories: set[str] = field(default_factory=set)
    """Those of the image that operations have made."""
    looked_for: list[tuple[Operation, str]] = field(default_factory=list)
    """Files of the controller that are named by a relative path."""

    def look_at(self, operation: Operation, cause: str, way_out: str = "") -> None:
        self.remarks.append(Remark(LOOK_AT, operation.place, of_operation(operation), cause, way_out))


def turn(operation: Operation, turning: Turning) -> Steps:
    """The steps for an operation; raises BadRequestError where there are none for it."""
    if operation.name == "update":
        return [{"packages": {"upgrade": Text.of("yes")}}]
    plain = _PLAIN.get(operation.name)
    return plain(operation) if plain else _LOOKING[operation.name](operation, turning)


def _simple(kind: str, option: str) -> Callable[[Operation], Steps]:
    def handler(operation: Operation) -> Steps:
        return [{kind: {option: operation.value}}]

    return handler


def _pair(kind: str, first: str, second: str) -> Callable[[Operation], Steps]:
    def handler(operation: Operation) -> Steps:
        left, right = _split(operation, 2)
        return [{kind: {first: left, second: right}}]

    return handler


def _split(operation: Operation, parts: int) -> list[Text]:
    pieces = operation.value.split(":", parts - 1)
    if len(pieces) != parts:
        raise BadRequestError(
            "its value has too few colons",
            "Where it is a variable of the shell that holds all of it, write out what it holds",
        )
    return pieces


def _list(kind: str, option: str, **more: t.Any) -> Callable[[Operation], Steps]:
    def handler(operation: Operation) -> Steps:
        names = [name.strip() for name in operation.value.split(",")]
        return [{kind: {option: [name for name in names if name], **more}}]

    return handler


def _mkdir(operation: Operation, turning: Turning) -> Steps:
    if operation.value.literal:
        turning.directories.add(posixpath.normpath(operation.value.literal))
    return [{"mkdir": {"path": operation.value}}]


def _chmod(operation: Operation, turning: Turning) -> Steps:
    mode, path = _split(operation, 2)
    if mode.literal is None:
        return [{"chmod": {"path": path, "mode": mode}}]
    if re.fullmatch(r"0o?[0-7]{1,5}", mode.literal):
        return [{"chmod": {"path": path, "mode": Text.of(f"{int(mode.literal.replace('o', ''), 8):04o}")}}]
    if not re.fullmatch(r"[0-7]{3,4}", mode.literal):
        raise BadRequestError(f"{mode.literal!r} are no permissions that virt-customize takes", "Write a step chmod")
    turning.look_at(
        operation,
        f"without a 0 in front, virt-customize reads {mode.literal} as a decimal number, and made it "
        f"{int(mode.literal):04o} in octal",
        f"The recipe has 0{mode.literal.lstrip('0')}, which is probably what was meant",
    )
    return [{"chmod": {"path": path, "mode": Text.of(f"{int(mode.literal, 8):04o}")}}]


def _chown(operation: Operation) -> Steps:
    owner, group, path = _split(operation, 3)
    return [{"chown": {"path": path, "owner": owner, "group": group}}]


def _link(operation: Operation) -> Steps:
    _split(operation, 2)
    target, *links = operation.value.split(":")
    return [{"link": {"target": target, "path": links}}]


def _file(kind: str) -> Callable[[Operation, Turning], Steps]:
    def handler(operation: Operation, turning: Turning) -> Steps:
        _look_for(operation, operation.value, turning)
        return [{kind: {"src": operation.value}}]

    return handler


def _firstboot(operation: Operation, turning: Turning) -> Steps:
    _look_for(operation, operation.value, turning)
    stem = posixpath.splitext(posixpath.basename(operation.value.literal or ""))[0]
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", stem).strip("-.")[:64] or "script"
    return [{"firstboot": {"name": Text.of(name), "src": operation.value}}]


def _files(kind: str) -> Callable[[Operation, Turning], Steps]:
    def handler(operation: Operation, turning: Turning) -> Steps:
        source, dest = _split(operation, 2)
        _look_for(operation, source, turning)
        return [{kind: {"src": source, "dest": dest}}]

    return handler


def _upload(operation: Operation, turning: Turning) -> Steps:
    source, dest = _split(operation, 2)
    _look_for(operation, source, turning)
    options = {"src": source, "dest": dest}
    place = dest.literal or ""
    if posixpath.normpath(place) in turning.directories or _DIRECTORIES.fullmatch(place):
        options["dest"] = Text.of(*dest.parts, "/")
    mode = turning.files.mode(source.literal) if source.literal else None
    if mode is None:
        turning.look_at(
            operation,
            "virt-customize gives the file the permissions that it has on the host; the step gives it 0644",
            'Write others as mode: "0755"',
        )
    elif mode != "0644":
        options["mode"] = Text.of(mode)
    return [{"upload": options}]


def _look_for(operation: Operation, path: Text, turning: Turning) -> None:
    if not path.head.startswith(("/", "~")) and not (path.parts and isinstance(path.parts[0], Expansion)):
        turning.looked_for.append((operation, path.source))


def _ssh_inject(operation: Operation, turning: Turning) -> Steps:
    user, *selector = operation.value.split(":", 1)
    kind, *value = selector[0].split(":", 1) if selector and selector[0] else [Text()]
    if not kind:
        turning.look_at(
            operation, "virt-customize takes the newest key in ~/.ssh", f"The recipe has {_PUBLIC_KEYS}: name yours"
        )
        key = _file_lookup(Text.of(_PUBLIC_KEYS))
    elif kind.literal == "file" and value:
        key = _file_lookup(value[0])
    elif kind.literal == "string" and value:
        key = value[0].strip()
    else:
        raise BadRequestError("it is no selector of a key that virt-customize knows", "Write a step ssh_inject")
    return [{"ssh_inject": {"user": user, "key": key}}]


def _file_lookup(path: Text) -> Text:
    return Text.of(Expansion(path.source, f"lookup('ansible.builtin.file', {path.expression})"))


def _password(operation: Operation, turning: Turning) -> Steps:
    user, selector = (Text.of("root"), operation.value) if operation.name == "root-password" else _split(operation, 2)
    step, remark = passwords.of_selector(user, selector)
    turning.secrets.update(expansion.variable for expansion in selector.expansions())
    if remark:
        turning.look_at(operation, *remark)
    return [{"password": step}]


_RECOMMENDS: Mapping[str, t.Any] = {"recommends": True}  # as apt-get does by default

_PLAIN: Mapping[str, Callable[[Operation], Steps]] = {
    "append-line": _pair("append_line", "path", "line"),
    "chown": _chown,
    "copy": _pair("copy", "src", "dest"),
    "delete": _simple("delete", "path"),
    "edit": _pair("edit", "path", "expression"),
    "firstboot-command": _simple("firstboot_command", "command"),
    "firstboot-install": _list("firstboot_install", "packages", **_RECOMMENDS),
    "hostname": _simple("hostname", "name"),
    "install": _list("packages", "install", **_RECOMMENDS),
    "link": _link,
    "move": _pair("move", "src", "dest"),
    "run-command": _simple("run_command", "command"),
    "scrub": _simple("scrub", "path"),
    "timezone": _simple("timezone", "name"),
    "touch": _simple("touch", "path"),
    "truncate": _simple("truncate", "path"),
    "truncate-recursive": _simple("truncate_recursive", "path"),
    "uninstall": _list("packages", "remove"),
    "write": _pair("write", "dest", "content"),
}
_LOOKING: Mapping[str, Callable[[Operation, Turning], Steps]] = {
    "chmod": _chmod,
    "copy-in": _files("copy_in"),
    "firstboot": _firstboot,
    "mkdir": _mkdir,
    "password": _password,
    "root-password": _password,
    "run": _file("run"),
    "ssh-inject": _ssh_inject,
    "tar-in": _files("tar_in"),
    "upload": _upload,
}
