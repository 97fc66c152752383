# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes the place of the shell's expansions."""

from __future__ import annotations

import keyword
import re

from .text import Expansion, jinja_string

_NAME = r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+"
_PLAIN = re.compile(_NAME)
_DEFAULT = re.compile(rf"({_NAME})(:?)-([^$`\\\"']*)")
_CAT = re.compile(r"(?:cat\s+|<\s*)([^\s$`\\\"'*?;&|<>()]+)")
# Of the environment of whoever runs it.
_ENVIRONMENT = frozenset({"HOME", "PWD", "USER", "LOGNAME", "HOSTNAME", "TMPDIR"})
# Names that Ansible keeps for itself, or that would hide something of Jinja's.
_RESERVED = re.compile(
    "action|args|become|block|connection|debugger|delegate_to|dict|diff|environment|false|groups|hosts|hostvars|"
    "ignore_errors|inventory_hostname|lookup|loop|name|namespace|no_log|none|notify|now|omit|order|playbook_dir|port|"
    "q|query|range|register|remote_user|retries|roles|strategy|tags|tasks|throttle|timeout|true|undef|until|vars|when"
)


def jinja_name(variable: str) -> str:
    """The name that a variable of the shell has in the playbook."""
    name = f"argument_{variable}" if variable.isdigit() else variable.lower()
    if _RESERVED.fullmatch(name) or keyword.iskeyword(name) or name.startswith("ansible_") or not name.strip("_"):
        return f"shell_{name}"
    return name


def _named(source: str) -> str:
    """A variable for what only the shell can tell."""
    return f"shell_{re.sub('[^a-z0-9]+', '_', source.lower()).strip('_')[:40] or 'value'}"


def variable(name: str, source: str, *, in_quotes: bool) -> Expansion:
    """``$NAME``."""
    if not _PLAIN.fullmatch(name):
        return Expansion(source, _named(name), remark="it is a parameter that only the shell has", quoted=in_quotes)
    if name in _ENVIRONMENT:
        return Expansion(source, f"lookup('ansible.builtin.env', '{name}')", name, quoted=in_quotes)
    return Expansion(source, jinja_name(name), name, quoted=in_quotes)


def braces(inner: str, source: str, *, in_quotes: bool) -> Expansion:
    """``${...}``."""
    if _PLAIN.fullmatch(inner):
        return variable(inner, source, in_quotes=in_quotes)
    default = _DEFAULT.fullmatch(inner)
    if default:
        name, colon, value = default.groups()
        also_empty = ", true" if colon else ""
        return Expansion(
            source, f"{jinja_name(name)} | default({jinja_string(value)}{also_empty})", name, quoted=in_quotes
        )
    found = re.match(_NAME, inner.lstrip("!#"))
    name = found[0] if found else "value"
    array = re.fullmatch(rf"({_NAME})\[[@*]\]", inner)
    return Expansion(
        source,
        jinja_name(name),
        name,
        remark="" if array else "the shell changes the variable's value on the way, which Jinja has to do here",
        quoted=in_quotes,
    )


def substitution(command: str, source: str, *, in_quotes: bool) -> Expansion:
    """``$(...)`` and its older spelling."""
    file = _CAT.fullmatch(command.strip())
    if file:
        return Expansion(source, f"lookup('ansible.builtin.file', {jinja_string(file[1])})", quoted=in_quotes)
    if command.startswith("(") and command.endswith(")"):
        return Expansion(source, _named(command), remark="it is arithmetic of the shell", quoted=in_quotes)
    if re.search(r"[$`]", command):
        return Expansion(source, _named(command), remark="it is a command that uses variables", quoted=in_quotes)
    return Expansion(
        source,
        f"lookup('ansible.builtin.pipe', {jinja_string(command.strip())})",
        remark="the command is run on the controller by every play, and another output makes another image",
        quoted=in_quotes,
    )
