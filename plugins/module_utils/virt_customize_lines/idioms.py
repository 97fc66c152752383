# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Idioms of shell lines that a build does by itself, and those for which there is a step of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..common.errors import BadRequestError
from .commands import Command, commands
from .model import Operation
from .subject import holds_secret

_IDENTITY = frozenset({"/etc/machine-id", "/var/lib/dbus/machine-id", "/var/lib/systemd/random-seed"})
IDENTITY = "every build leaves machine-id and random seed as the base had them, so that each clone gets its own"

_HINTS = {
    "apt-get": ("packages", r"\b(install|remove|purge|(dist-|full-)?upgrade|update)\b"),
    "apt": ("packages", r"\b(install|remove|purge|full-upgrade|upgrade|update)\b"),
    "apt-mark": ("packages", r"\b(hold|unhold)\b"),
    "dpkg": ("deb", r"(^|\s)(-i|--install)\b"),
    "useradd": ("user", ""),
    "adduser": ("user", ""),
    "usermod": ("user", ""),
    "groupadd": ("group", ""),
    "systemctl": ("systemd_unit", r"\b(enable|disable|mask|unmask)\b"),
    "sed": ("line_in_file", r"(^|\s)(-[a-zA-Z]*i|--in-place)"),
    "update-ca-certificates": ("ca_certificates", ""),
    "locale-gen": ("locale", ""),
    "timedatectl": ("timezone", r"\bset-timezone\b"),
    "hostnamectl": ("hostname", ""),
    "netplan": ("netplan", ""),
}
_IN_STEP = "Take it from a file of Ansible Vault, by a step that may hold a secret, such as password or template"
_IN_SECRETS = (
    "Take it from a file of Ansible Vault by the option secrets of the step run_command, such as secrets: {TOKEN: "
    "'{{ vault_token }}'}, and write $TOKEN in the command"
)
_NO_SERVICE = re.compile(r"\b(start|restart|reload|reload-or-restart|stop|daemon-reload)\b|--now\b")


def is_identity(operation: Operation) -> bool:
    """Whether all that an operation does is to reset what identifies a machine."""
    value = operation.value.literal
    if value is None:
        return False
    if operation.name in ("truncate", "delete", "scrub", "touch"):
        return value in _IDENTITY
    if operation.name == "write":
        path, dummy, content = value.partition(":")
        return path in _IDENTITY and content.strip() in ("", "uninitialized")
    if operation.name == "link":
        return value == "/etc/machine-id:/var/lib/dbus/machine-id"
    if operation.name == "run-command":
        found = _commands(value)
        return bool(found) and all(_resets(command) for command in found)
    return False


def _commands(script: str) -> list[Command]:
    try:
        return commands(script)
    except BadRequestError:
        return []


def _resets(command: Command) -> bool:
    words = [word.text.literal or "" for word in command.words]
    targets = [target.literal for symbol, target in command.redirections if symbol in (">", ">|")]
    if len(command.redirections) != len(targets):
        return False
    program, paths = words[0] if words else "", [word for word in words[1:] if word.startswith("/")]
    if targets:
        wrote_nothing = program in ("", ":", "true") or words in (
            *(["echo", "-n"], ["echo"], ["echo", ""], ["echo", "-n", ""], ["printf", ""], ["cat", "/dev/null"]),
            ["echo", "uninitialized"],
        )
        return wrote_nothing and set(targets) <= _IDENTITY
    if program == "cp" and paths[:1] == ["/dev/null"]:
        paths = paths[1:]
    elif program == "ln":
        return paths in (["/etc/machine-id", "/var/lib/dbus/machine-id"], ["/var/lib/dbus/machine-id"])
    elif program == "truncate" and not re.search(r"(^|\s)(-s\s*0|--size[= ]0)(\s|$)", " ".join(words)):
        return False
    return program in ("truncate", "rm", "cp", "touch") and bool(paths) and set(paths) <= _IDENTITY


def password_of(command: str) -> tuple[str, str] | None:
    """User and password of ``echo USER:PASSWORD | chpasswd``."""
    found = _commands(command)
    if len(found) != 2 or any(part.redirections or part.assignments for part in found):
        return None
    first, second = ([word.text.literal for word in part.words] for part in found)
    if second != ["chpasswd"] or len(first) != 2 or first[0] != "echo" or not first[1]:
        return None
    user, colon, password = first[1].partition(":")
    return (user, password) if colon and re.fullmatch(r"[a-z_][a-z0-9_-]*", user) else None


def remarks(operation: Operation) -> Iterator[tuple[str, str]]:
    """Cause and way out of what is to be said about an operation that is in the recipe."""
    text = operation.value.source
    if operation.name in ("run-command", "firstboot-command"):
        yield from _of_command(operation, text)
    if operation.name in ("run-command", "firstboot-command", "write", "append-line", "edit") and holds_secret(text):
        yield (
            "it may hold a secret, which would stand in the recipe and in the build record",
            _IN_SECRETS if operation.name == "run-command" else _IN_STEP,
        )


def _of_command(operation: Operation, text: str) -> Iterator[tuple[str, str]]:
    found = _commands(text)
    if not found:
        return
    hints: dict[str, str] = {}
    for command in found:
        words = [word.text.source for word in command.words if word.text.source not in ("sudo", "exec", "env")]
        program, arguments = (words[0].rpartition("/")[2], " ".join(words[1:])) if words else ("", "")
        step, pattern = _HINTS.get(program, ("", ""))
        if step and re.search(pattern, arguments):
            hints[program] = step
        if program == "systemctl" and operation.name == "run-command" and _NO_SERVICE.search(arguments):
            yield "no service manager runs during the build", "Enable the unit, which then starts at boot"
    for program, step in hints.items():
        yield f"what {program} does here is known to the step {step}", "Use that step where it does all you need"
    one_after_the_other = len([command for command in found if command.condition in ("", "&&", "||")]) > 1
    if operation.name == "run-command" and one_after_the_other and re.search(r"[;\n]", text.strip()):
        yield (
            "virt-customize looks at the last command alone; the step stops the build at the first one that fails",
            "Write `|| true` behind a command that may fail",
        )


def changed_identity(operation: Operation) -> bool:
    """Whether a command that does more also resets what identifies a machine."""
    if operation.name != "run-command" or operation.value.literal is None:
        return False
    return any(_resets(command) for command in _commands(operation.value.literal))
