# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of a script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .commands import Assignment
from .expansions import jinja_name
from .model import LOOK_AT, NOT_TURNED, Place, Remark
from .shell import Word, tokens
from .subject import may_hold_secret, of_word
from .text import Expansion, Text

_VAULT = "Give {0} in a file of Ansible Vault"
_GIVE = "Give {0} in the play's vars, or by -e"


@dataclass
class Variables:
    """What a script has assigned so far, line by line."""

    _assigned: dict[str, list[Assignment]] = field(default_factory=dict)
    _arrays: dict[str, list[Text]] = field(default_factory=dict)
    _changing: set[str] = field(default_factory=set)

    def assign(self, assignment: Assignment) -> None:
        if assignment.array is None:
            self._assigned.setdefault(assignment.name, []).append(assignment)
        else:
            known = self._arrays.get(assignment.name, []) if assignment.appends else []
            self._arrays[assignment.name] = [*known, *assignment.array]

    def change(self, name: str) -> None:
        """A variable gets values that are not known, as in a loop."""
        self._changing.add(name)

    def program(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        """The words of a command whose program is in a variable, as in ``$VIRT_CUSTOMIZE -a``."""
        only = words[0].text.parts[0] if words and len(words[0].text.parts) == 1 else None
        if isinstance(only, Expansion):
            known = self._known(only.variable)
            if known:
                line = words[0].line
                return (*(Word(line, token.text) for token in tokens(known) if isinstance(token, Word)), *words[1:])
        return words

    def _known(self, name: str) -> str | None:
        """What a variable holds at this place."""
        last = self._assigned.get(name, [])[-1:]
        return last[0].value.literal if last and name not in self._changing else None

    def words(self, word: Text) -> list[Text]:
        """The words that the shell makes of one: elements of an array, options in a variable."""
        only = word.parts[0] if len(word.parts) == 1 else None
        if not isinstance(only, Expansion):
            return [word]
        if only.variable in self._arrays and "[" in only.source:
            return self._arrays[only.variable]
        known = self._known(only.variable)
        if known and known.startswith("-") and not only.quoted:
            return [token.text for token in tokens(known) if isinstance(token, Word)]
        return [word]

    def resolve(
        self, used: Iterable[tuple[Expansion, Place]], secrets: Iterable[str]
    ) -> tuple[Mapping[str, str], list[Remark]]:
        """Variables for the play, by their names there, and what is to be said about those that it lacks."""
        variables: dict[str, str] = {}
        remarks: dict[str, Remark] = {}
        hidden = set(secrets)
        waiting = list(used)
        while waiting:
            expansion, place = waiting.pop(0)
            name = expansion.variable
            if expansion.remark:
                only_in_shell = not name and expansion.jinja.startswith("shell_")
                remarks.setdefault(
                    expansion.source,
                    Remark(
                        NOT_TURNED if only_in_shell else LOOK_AT,
                        place,
                        of_word(expansion.source),
                        expansion.remark,
                        _GIVE.format(expansion.jinja) if only_in_shell else "",
                    ),
                )
            if not name or expansion.jinja.startswith("lookup(") or jinja_name(name) in variables or name in hidden:
                continue
            values = self._assigned.get(name, [])
            if may_hold_secret(name):
                hidden.add(name)
                way_out = _VAULT.format(jinja_name(name))
                remarks[name] = Remark(NOT_TURNED, place, expansion.source, "it may hold a secret", way_out)
            elif len(values) == 1 and not values[0].appends and name not in self._changing:
                variables[jinja_name(name)] = values[0].value.jinja
                waiting += [(inner, Place(values[0].line)) for inner in values[0].value.expansions()]
            elif "| default(" not in expansion.jinja:
                hidden.add(name)
                remarks[name] = _unknown(expansion, place, several=bool(values) or name in self._changing)
        return variables, list(remarks.values())


def _unknown(expansion: Expansion, place: Place, *, several: bool) -> Remark:
    cause = "the variable has several values" if several else "the variable is not set in the text"
    return Remark(NOT_TURNED, place, expansion.source, cause, _GIVE.format(jinja_name(expansion.variable)))
