# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a script does beside its calls of virt-customize."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .commands import Command
from .model import LOOK_AT, NOT_NEEDED, NOT_TURNED, Place, Remark
from .text import Text

_WRAPPERS = frozenset(
    [
        "sudo",
        "doas",
        "env",
        "time",
        "nice",
        "ionice",
        "nohup",
        "timeout",
        "exec",
        "command",
        "stdbuf",
        "chronic",
        "eatmydata",
    ]
)
_NAMING = frozenset(
    ["which", "type", "hash", "echo", "printf", "man", "apt", "apt-get", "dnf", "yum", "[", "[[", "test", "whereis"]
)
_SILENT = frozenset(
    [
        "set",
        "echo",
        "printf",
        "cd",
        "exit",
        "return",
        "true",
        "false",
        ":",
        "[",
        "[[",
        "test",
        "shift",
        "trap",
        "for",
        "case",
        "select",
        "read",
        "export",
        "readonly",
        "declare",
        "local",
        "typeset",
        "unset",
        "let",
        "wait",
        "sleep",
        "date",
        "which",
        "type",
        "hash",
        "pushd",
        "popd",
        "break",
        "continue",
        "umask",
    ]
)
_RELEASES = {"22.04": "jammy", "24.04": "noble", "20.04": "focal"}
_CLOUD_IMAGE = re.compile(r"cloud-images\.ubuntu\.com/(?:minimal/)?(?:releases/|daily/)?([a-z0-9.]+)/")


def call(command: Command) -> tuple[int, str] | None:
    """Where in a command the arguments of virt-customize begin, and an unusual program that calls it."""
    words = [word.text.literal for word in command.words]
    for number, word in enumerate(words):
        if (word or "").rpartition("/")[2] == "virt-customize":
            first = (words[0] or "").rpartition("/")[2]
            if number and (first in _NAMING or words[:2] in (["command", "-v"], ["command", "-V"])):
                return None
            return number + 1, "" if not number or first in _WRAPPERS else first or command.words[0].text.source
    return None


def resized(command: Command) -> tuple[Text, str] | None:
    """Image and size of ``qemu-img resize IMAGE SIZE``, where that is the whole size."""
    words = [word.text for word in command.words]
    while words and words[0].literal in _WRAPPERS:
        words.pop(0)
    if len(words) == 4 and [word.literal for word in words[:2]] == ["qemu-img", "resize"]:
        size = words[3].literal or ""
        if re.fullmatch(r"[0-9]+[MGT]", size):
            return words[2], size
    return None


def remarks(commands: Iterable[Command]) -> Iterator[Remark]:
    """What there is to say about commands that are not calls of virt-customize."""
    said: set[str] = set()
    others: dict[str, int] = {}
    for command in commands:
        words = [word.text.source for word in command.words]
        while words and (words[0] in _WRAPPERS or words[0].startswith("-") or "=" in words[0]):
            words.pop(0)
        if not words or words[0] in _SILENT:
            continue
        program = words[0].rpartition("/")[2]
        told = _told(program, words[1:])
        if not told:
            others.setdefault(program, command.line)
        elif told[1] not in said:
            said.add(told[1])
            subject = " ".join([program, *words[1:2]]) if program in ("qemu-img", "virsh") else program
            yield Remark(told[0], Place(command.line), subject, told[1], told[2])
    if others:
        listed = ", ".join(f"{program} (line {line})" for program, line in others.items())
        yield Remark(
            NOT_TURNED,
            Place(min(others.values())),
            listed,
            "commands of the host are left aside",
            "Write tasks for what the build needs of them",
        )


def _told(program: str, arguments: list[str]) -> tuple[str, str, str] | None:
    """Kind, cause and way out."""
    line = " ".join(arguments)
    if program in ("wget", "curl", "aria2c"):
        release = _CLOUD_IMAGE.search(line)
        if release:
            name = _RELEASES.get(release[1], release[1])
            way_out = f"Write a task with `goldsmith.kvm.image_fetch: {{release: {name}}}`, and give its image as base"
            return LOOK_AT, "image_fetch fetches the base and verifies who signed it", way_out
        cause = "image_fetch fetches bases and verifies them"
        return (
            NOT_TURNED,
            cause,
            "Use goldsmith.kvm.image_fetch for a base, and ansible.builtin.get_url for other files",
        )
    if program == "qemu-img" and arguments[:1] == ["resize"]:
        cause = "the option size makes the disk larger, and with it the root partition and its file system"
        return LOOK_AT, cause, "Give the whole size, as in size: 20G"
    if program == "qemu-img":
        return NOT_NEEDED, "a build works on a copy, and publishes a compressed qcow2 that needs no other file", ""
    return _TOLD.get(program)


_NO_COPY = "a build never changes the base, so that it needs no copy"
_STEP = "what it does in the image is not in the recipe"
_STEP_WAY = "Write the steps for it"
_AFTER = "what is done with the finished image is not in the recipe"
_AFTER_WAY = "Write tasks that follow the build"
_TOLD = {
    "cp": (NOT_NEEDED, _NO_COPY, ""),
    "virt-sysprep": (
        LOOK_AT,
        "every build leaves machine-id and random seed as the base had them, and no log of its own",
        "Let the step generalise be the last: it does what virt-sysprep does, but leaves accounts, keys and crontabs",
    ),
    "virt-sparsify": (NOT_NEEDED, "the published image holds no blocks that are not used", ""),
    "virt-resize": (LOOK_AT, "the option size makes the disk, its root partition and file system larger", ""),
    "virt-builder": (NOT_TURNED, "its templates are none of the collection's bases", "Fetch a base with image_fetch"),
    **dict.fromkeys(("virt-edit", "virt-copy-in", "virt-tar-in", "guestfish"), (NOT_TURNED, _STEP, _STEP_WAY)),
    **dict.fromkeys(("guestmount", "chroot", "qemu-nbd"), (NOT_TURNED, _STEP, _STEP_WAY)),
    **dict.fromkeys(("virsh", "virt-install", "scp", "rsync"), (NOT_TURNED, _AFTER, _AFTER_WAY)),
}
