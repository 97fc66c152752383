# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's menu, as grub-mkconfig writes it. Pure.

GRUB's language is a shell's. What is read here is what decides which entry is booted when nobody is at the keyboard:
the entries, the variable ``default``, and what of the environment block goes into it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_SET_DEFAULT = re.compile(r"set\s+default=(?P<value>.*)")
_VARIABLE = re.compile(r"\$\{?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}?")
_ID = ("--id", "$menuentry_id_option")
_LINUX = ("linux", "linux16", "linuxefi")
_BRANCHES = ("if", "elif", "else", "fi", "fi;")
_INITRD_FAILED = re.compile(r'if \[ "?\$\{?initrdfail\}?"? = "?1"? \] ?; ?then')
"""Ubuntu's question, with GRUB_FORCE_PARTUUID, whether the last boot without an initial RAM disk failed."""


@dataclass(frozen=True)
class Entry:
    """One entry of the menu, or a submenu."""

    title: str
    id: str | None
    kernel: str = ""
    """As GRUB sees it: below the file system that it takes for the root."""
    arguments: str = ""
    entries: Sequence[Entry] | None = None
    """Of a submenu."""


@dataclass(frozen=True)
class Menu:
    entries: Sequence[Entry]
    defaults: Sequence[str]
    """What ``default`` is set to, in order: variables and all."""


@dataclass
class _Open:
    """A block that is being read."""

    kind: str
    title: str = ""
    id: str | None = None
    kernel: str = ""
    arguments: str = ""
    entries: list[Entry] = field(default_factory=list)
    branches: list[bool | None] = field(default_factory=list)
    """Of each ``if`` around the line that is read, whether this branch is taken; None where that is not known."""

    def boot(self, kernel: str, arguments: str) -> None:
        """What is said first counts, except in a branch that is not taken."""
        if not self.kernel and False not in self.branches:
            self.kernel, self.arguments = kernel, arguments

    def branch(self, line: str, words: Sequence[str], initrd_failed: bool) -> None:
        """Follow ``if``, ``elif``, ``else`` and ``fi``, of which a line may have several."""
        bare = [word.rstrip(";") for word in words]
        deeper = bare.count("if") - bare.count("fi")
        if deeper > 0:
            self.branches += [initrd_failed if _INITRD_FAILED.fullmatch(line) else None] * deeper
        elif deeper < 0:
            del self.branches[deeper:]
        elif bare[0] in ("elif", "else") and self.branches:
            taken = self.branches[-1]
            self.branches[-1] = None if taken is None or bare[0] == "elif" else not taken


def parse_menu(text: str, environment: Mapping[str, str]) -> Menu:
    """What grub.cfg says, with this environment block. Raises nothing: what is not understood is left out."""
    initrd_failed = environment.get("initrdfail") == "1"
    top = _Open("submenu")
    blocks, defaults = [top], []
    for line in _lines(text):
        words = _words(line)
        if not words:
            continue
        if words[0] in ("menuentry", "submenu") and words[-1] == "{":
            blocks.append(_Open(words[0], words[1] if len(words) > 2 else "", _id_of(words)))
        elif words[-1] == "{":
            blocks.append(_Open("other"))
        elif words == ["}"] and len(blocks) > 1:
            _close(blocks)
        elif words[0] in _LINUX and len(words) > 1:
            blocks[-1].boot(words[1], " ".join(words[2:]))
        elif words[0] in _BRANCHES:
            blocks[-1].branch(line, words, initrd_failed)
        elif len(blocks) == 1:
            found = _SET_DEFAULT.fullmatch(line)
            if found:
                defaults.append(found["value"].strip().strip("\"'"))
    return Menu(tuple(top.entries), tuple(defaults))


def parse_environment(text: str) -> dict[str, str]:
    """Value by name of a GRUB environment block."""
    if not text.startswith("# GRUB Environment Block"):
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, equals, value in pairs if equals}


def default_entry(menu: Menu, environment: Mapping[str, str]) -> Entry | None:
    """The entry that is booted when nobody chooses another; None where the menu has none."""
    chosen = "0"
    for value in menu.defaults:
        said = _VARIABLE.sub(lambda match: environment.get(match["name"], ""), value)
        # The script takes next_entry only where it is set, and otherwise what comes after it.
        if "next_entry" in value and said:
            chosen = said
            break
        chosen = said or chosen
    return _chosen(menu.entries, chosen) or _first(menu.entries)


def _chosen(entries: Sequence[Entry], name: str) -> Entry | None:
    """The entry of this number, title or id; ``>`` leads into submenus."""
    found: Entry | None = None
    for part in name.split(">"):
        if re.fullmatch("[0-9]{1,9}", part):
            found = entries[int(part)] if int(part) < len(entries) else None
        else:
            found = next((entry for entry in entries if part in (entry.id, entry.title)), None)
        if found is None:
            return None
        entries = found.entries or ()
    return _first([found]) if found else None


def _first(entries: Sequence[Entry]) -> Entry | None:
    """GRUB boots the first entry of a submenu that is the default."""
    for entry in entries[:1]:
        return entry if entry.entries is None else _first(entry.entries)
    return None


def _close(blocks: list[_Open]) -> None:
    block = blocks.pop()
    if block.kind == "other":
        # `if` and functions are not blocks of the menu; what is in them belongs to the one around.
        if block.kernel:
            blocks[-1].boot(block.kernel, block.arguments)
        return
    entries = tuple(block.entries) if block.kind == "submenu" else None
    around = next(outer for outer in reversed(blocks) if outer.kind == "submenu")
    around.entries.append(Entry(block.title, block.id, block.kernel, block.arguments, entries))


def _id_of(words: Sequence[str]) -> str | None:
    return next((words[at + 1] for at, word in enumerate(words[:-2]) if word in _ID), None)


def _lines(text: str) -> Iterator[str]:
    """Lines without blanks around them; one that ends in a backslash goes on in the next."""
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield stripped


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line, comments=False)
    except ValueError:
        return []
    if words and words[-1] != "{" and words[-1].endswith("{") and words[0] in ("menuentry", "submenu", "function"):
        words = [*words[:-1], words[-1][:-1], "{"]
    return words
