# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of POSIX shell that the scripts of several steps share."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

_BRACES = re.compile(r"(?P<before>(?:[^\\]|\\.)*?)\{(?P<within>[^{}]+)\}(?P<after>.*)", re.DOTALL)


def fail(*lines: str) -> str:
    """A command, for use after ``||`` or ``then``, that says these lines and ends the build."""
    return f"{{ printf '%s\\n' {shlex.join(lines)} >&2; exit 1; }}"


def require_path(path: str) -> str:
    """Go on only where there is something at this path, be it a link that leads nowhere."""
    where = shlex.quote(path)
    return f"[ -e {where} ] || [ -L {where} ] || {fail(f'{path} does not exist in the image')}\n"


def require_file(path: str) -> str:
    """Go on only where there is a file, or a link to one."""
    where = shlex.quote(path)
    is_directory = fail(f"{path} is a directory in the image, and has to be a file")
    return f"[ ! -d {where} ] || {is_directory}\n[ -e {where} ] || {fail(f'{path} does not exist in the image')}\n"


def require_directory(path: str) -> str:
    """Go on only where there is a directory, or a link to one."""
    missing = fail(f"the directory {path} does not exist in the image", "make it by a step mkdir before this one")
    return f"[ -d {shlex.quote(path)} ] || {missing}\n"


def require_parent(path: str) -> str:
    """Go on only where the directory of this path is there."""
    return require_directory(path.rpartition("/")[0] or "/")


def require_program(program: str, package: str) -> str:
    """Go on only where the image has a program, which comes with a package."""
    missing = fail(f"the image has no {program}: install the package {package} by a step packages before this one")
    return f"command -v {shlex.quote(program)} >/dev/null || {missing}\n"


def require_accounts(user: str = "", group: str = "") -> str:
    """Go on only where a user and a group, by name or number, are known; a number needs no name."""
    script = ""
    for database, what, name in (("passwd", "user", user), ("group", "group", group)):
        if name and not name.isdigit():
            missing = fail(
                f"the {what} {name} does not exist in the image",
                "make it by a step before this one, or give the number",
            )
            script += f"getent {database} {shlex.quote(name)} >/dev/null || {missing}\n"
    return script


def pattern_words(pattern: str) -> str:
    """A pattern of glob(7), with alternatives in braces, as words of a shell command line.

    Only wildcards are left to the shell; nothing else in them means anything to it.
    """
    return " ".join(_word(alternative) for alternative in _alternatives(pattern))


def _alternatives(pattern: str) -> list[str]:
    """``a{b,c}`` is ``ab`` and ``ac``; braces may stand within braces, and ``{}`` is itself."""
    found = _BRACES.fullmatch(pattern)
    if found is None:
        return [pattern]
    before, parts, after = found["before"], found["within"].split(","), found["after"]
    return list(dict.fromkeys(each for part in parts for each in _alternatives(f"{before}{part}{after}")))


def _word(pattern: str) -> str:
    word, characters, opened = "", iter(pattern), False
    for character in characters:
        if character == "\\":
            word += "\\" + next(characters, "\\")
        elif character == "^" and opened:
            word += "!"  # As POSIX has it.
        elif character in "*?[]!-/_." or character.isalnum():
            word += character
        else:
            word += "\\" + character
        opened = character == "["
    return word


def authorized_keys(name: str, keys: Sequence[str]) -> str:
    """Add public keys to those of a user that exists."""
    return f"""\
home=$(getent passwd {name} | cut -d : -f 6)
group=$(id -g {name})
[ -d "$home" ] || install -d -m 0750 -o {name} -g "$group" "$home"
install -d -m 0700 -o {name} -g "$group" "$home/.ssh"
file=$home/.ssh/authorized_keys
[ -e "$file" ] || install -m 0600 -o {name} -g "$group" /dev/null "$file"
if [ -n "$(tail -c 1 "$file")" ]; then echo >>"$file"; fi
for key in {shlex.join(keys)}; do
    grep -qxF -e "$key" "$file" || printf '%s\\n' "$key" >>"$file"
done
"""
