# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From words and operators to the commands of a script, one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .shell import Operator, Token, Word, tokens
from .text import Text

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?)=")
_REDIRECTIONS = frozenset({"<", ">", ">>", "<<", "<<-", "<<<", "<&", ">&", "<>", ">|", "&>", "&>>"})
_SKIPPED = frozenset({"then", "else", "elif", "do", "!", "{", "time"})
_OPENING = {"if": "if", "while": "while", "until": "until", "for": "for", "select": "select", "case": "case"}
_CLOSING = frozenset({"fi", "done", "esac"})


@dataclass(frozen=True)
class Assignment:
    line: int
    name: str
    value: Text
    array: tuple[Text, ...] | None = None
    appends: bool = False


@dataclass(frozen=True)
class Command:
    """A simple command of the shell."""

    line: int
    words: tuple[Word, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    """In front of the words; where there are none, they hold from here on."""
    redirections: tuple[tuple[str, Text], ...] = ()
    condition: str = ""
    """What it depends on, such as ``if`` or ``&&``; empty where it is carried out in any case."""
    here_document: str | None = None


@dataclass
class _Reader:
    words: list[Word] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    redirections: list[tuple[str, Text]] = field(default_factory=list)
    here_document: str | None = None
    compounds: list[str] = field(default_factory=list)
    after: str = ""
    """``&&`` or ``||`` in front of the command."""
    in_pattern: bool = False
    """Whether what comes, up to a bracket, is a pattern of ``case``."""

    def read(self, stream: Sequence[Token]) -> Iterator[Command]:
        at = 0
        while at < len(stream):
            token = stream[at]
            at += 1
            if self.in_pattern and not (isinstance(token, Word) and token.text.literal == "esac"):
                self.in_pattern = not (isinstance(token, Operator) and token.symbol == ")")
            elif isinstance(token, Word):
                self.in_pattern = False
                self._word(token)
                if self._is_case(token):
                    yield from self._end(Operator(token.line, "\n"))
                    self.in_pattern = True
            elif token.symbol in _REDIRECTIONS:
                target = stream[at] if at < len(stream) else None
                if isinstance(target, Word):
                    self.redirections.append((token.symbol, target.text))
                    at += 1
                if token.symbol in ("<<", "<<-"):
                    self.here_document = token.body
            elif token.symbol == "(":
                # Of a function's name, or a subshell; the latter is read as if it had no brackets.
                self.words = []
            else:
                yield from self._end(token)
                self.in_pattern = token.symbol == ";;" and self.compounds[-1:] == ["case"]
        yield from self._end(Operator(0, "\n"))

    def _is_case(self, word: Word) -> bool:
        """Whether a word is the last of ``case ... in``."""
        return word.text.literal == "in" and len(self.words) == 3 and self.words[0].text.literal == "case"

    def _word(self, word: Word) -> None:
        plain = "" if word.quoted else word.text.literal or ""
        if not self.words and not self.assignments:
            if plain in _OPENING:
                self.compounds.append(plain)
                if plain in ("if", "while", "until"):
                    return
            elif plain in _CLOSING and self.compounds:
                self.compounds.pop()
                return
            elif plain in _SKIPPED or plain == "}":
                return
        found = _ASSIGNMENT.match(word.text.head)
        if found and not self.words:
            self.assignments.append(_assignment(word, found))
        else:
            self.words.append(word)

    def _end(self, operator: Operator) -> Iterator[Command]:
        if self.words or self.assignments or self.redirections:
            line = (self.words[:1] or self.assignments[:1] or [operator])[0].line
            condition = self.compounds[-1] if self.compounds else self.after
            yield Command(
                line,
                tuple(self.words),
                tuple(self.assignments),
                tuple(self.redirections),
                condition,
                self.here_document,
            )
        self.words, self.assignments, self.redirections, self.here_document = [], [], [], None
        self.after = operator.symbol if operator.symbol in ("&&", "||") else ""


def _assignment(word: Word, found: re.Match[str]) -> Assignment:
    value = Text.of(word.text.head[found.end() :], *word.text.parts[1:])
    return Assignment(word.line, found[1], value, word.array, bool(found[2]))


def commands(script: str) -> list[Command]:
    """The commands of a script; raises BadRequestError."""
    return list(_Reader().read(tokens(script)))


def assigned(command: Command) -> tuple[Assignment, ...]:
    """What a command assigns for those that follow: ``NAME=value``, ``export NAME=value``."""
    if not command.words:
        return command.assignments
    if command.words[0].text.literal not in ("export", "readonly", "declare", "local", "typeset"):
        return ()
    matched = ((word, _ASSIGNMENT.match(word.text.head)) for word in command.words[1:])
    return tuple(_assignment(word, found) for word, found in matched if found)


def environment(command: Command) -> Mapping[str, Text]:
    """The environment that stands in front of a command."""
    return {assignment.name: assignment.value for assignment in command.assignments}
