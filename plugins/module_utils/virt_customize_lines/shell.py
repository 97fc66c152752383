# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the text of a shell script to its words and operators: POSIX, and what Bash adds to it."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ..common.errors import BadRequestError
from . import expansions
from .text import Expansion, Part, Text

_OPERATORS = ("<<<", "<<-", "&>>", "&&", "||", "|&", ";;", "<<", ">>", "<&", ">&", "<>", ">|", "&>", *";&|()<>\n")
_ARRAY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
# Escapes of Bash's $'...' that scripts use.
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "e": "\x1b", "a": "\a", "b": "\b"}


@dataclass(frozen=True)
class Word:
    line: int
    text: Text
    quoted: bool = False
    """Whether a part of it is quoted, so that it is no word of the shell's own."""
    array: tuple[Text, ...] | None = None
    """The elements, where it assigns an array; ``text`` is what stands before them, as in ``NAME=``."""


@dataclass(frozen=True)
class Operator:
    line: int
    symbol: str
    body: str = ""
    """Of a here-document."""


Token = t.Union[Word, Operator]


def tokens(script: str) -> list[Token]:
    """Raises BadRequestError for quotes and brackets that do not end."""
    return _Lexer(script).tokens()


class _Lexer:
    def __init__(self, script: str, line: int = 1) -> None:
        self._text = script.replace("\r\n", "\n")
        self._at = 0
        self._line = line
        self._tokens: list[Token] = []
        self._awaited: list[int] = []
        """Positions in ``_tokens`` of the here-documents whose bodies come after this line."""

    def tokens(self) -> list[Token]:
        while self._at < len(self._text):
            if self._skip_blank():
                continue
            operator = next((symbol for symbol in _OPERATORS if self._text.startswith(symbol, self._at)), "")
            if operator in ("<", ">") and self._text.startswith("(", self._at + 1):
                self._word()
            elif operator:
                self._operator(operator)
            else:
                self._word()
        return self._tokens

    def _skip_blank(self) -> bool:
        """Whether there was white space, a continued line or a comment."""
        if self._text[self._at] in " \t":
            self._at += 1
        elif self._text.startswith("\\\n", self._at):
            self._advance(2)
        elif self._text[self._at] == "#":
            end = self._text.find("\n", self._at)
            self._at = len(self._text) if end < 0 else end
        else:
            return False
        return True

    def _operator(self, symbol: str) -> None:
        self._tokens.append(Operator(self._line, symbol))
        self._advance(len(symbol))
        if symbol in ("<<", "<<-"):
            self._awaited.append(len(self._tokens) - 1)
        elif symbol == "\n":
            for position in self._awaited:
                self._here_document(position)
            self._awaited = []

    def _here_document(self, position: int) -> None:
        operator = self._tokens[position]
        delimiter = self._tokens[position + 1] if position + 1 < len(self._tokens) else operator
        if not isinstance(operator, Operator) or not isinstance(delimiter, Word):
            return
        strip = operator.symbol == "<<-"
        lines: list[str] = []
        while self._at < len(self._text):
            end = self._text.find("\n", self._at)
            end = len(self._text) if end < 0 else end
            line = self._text[self._at : end]
            line = line.lstrip("\t") if strip else line
            self._advance(end + 1 - self._at)
            if line == delimiter.text.source:
                break
            lines.append(f"{line}\n")
        self._tokens[position] = Operator(operator.line, operator.symbol, "".join(lines))

    def _word(self) -> None:
        line, parts, quoted = self._line, list[Part](), False
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "(" and parts and _ARRAY.fullmatch(Text.of(*parts).source) and not quoted:
                self._tokens.append(Word(line, Text.of(*parts), array=self._array()))
                return
            if character in "<>" and self._text.startswith("(", self._at + 1):
                parts.append(self._substitution(self._at + 1, in_quotes=False))
            elif character in " \t\n;&|()<>":
                break
            elif self._text.startswith("\\\n", self._at):
                self._advance(2)
            elif character == "\\":
                parts.append(self._text[self._at + 1 : self._at + 2] or "\\")
                self._advance(2)
                quoted = True
            elif character in "'\"" or self._text.startswith(("$'", '$"'), self._at):
                parts.extend(self._quotes())
                quoted = True
            elif character in "$`":
                parts.append(self._expansion(in_quotes=False))
            else:
                parts.append(character)
                self._advance(1)
        text = Text.of(*parts)
        if not quoted and text.source.isdigit() and self._text.startswith(("<", ">"), self._at):
            return  # the number of a file descriptor
        self._tokens.append(Word(line, text, quoted))

    def _array(self) -> tuple[Text, ...]:
        inner = _Lexer(self._balanced(self._at, "(", ")")[1:-1], self._line)
        self._advance(len(self._balanced(self._at, "(", ")")))
        return tuple(token.text for token in inner.tokens() if isinstance(token, Word))

    def _quotes(self) -> list[Part]:
        if self._text.startswith("$'", self._at):
            return [self._ansi_c()]
        if self._text[self._at] == "'":
            end = self._text.find("'", self._at + 1)
            if end < 0:
                raise self._unbalanced("'")
            found = self._text[self._at + 1 : end]
            self._advance(end + 1 - self._at)
            return [found]
        return self._double_quotes()

    def _double_quotes(self) -> list[Part]:
        failure = self._unbalanced('"')
        self._advance(2 if self._text[self._at] == "$" else 1)
        parts: list[Part] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == '"':
                self._advance(1)
                return parts
            if character == "\\" and self._text[self._at + 1 : self._at + 2] in ("$", "`", '"', "\\", "\n"):
                parts.append(self._text[self._at + 1].replace("\n", ""))
                self._advance(2)
            elif character in "$`":
                parts.append(self._expansion(in_quotes=True))
            else:
                parts.append(character)
                self._advance(1)
        raise failure

    def _ansi_c(self) -> str:
        failure = self._unbalanced("$'")
        self._advance(2)
        text = ""
        while self._at < len(self._text):
            character = self._text[self._at]
            self._advance(1)
            if character == "'":
                return text
            if character == "\\":
                escaped = self._text[self._at : self._at + 1]
                self._advance(1)
                text += _ESCAPES.get(escaped, f"\\{escaped}")
            else:
                text += character
        raise failure

    def _expansion(self, *, in_quotes: bool) -> Part:
        if self._text[self._at] == "`":
            end = self._text.find("`", self._at + 1)
            if end < 0:
                raise self._unbalanced("`")
            source = self._text[self._at : end + 1]
            self._advance(len(source))
            return expansions.substitution(source[1:-1], source, in_quotes=in_quotes)
        following = self._text[self._at + 1 : self._at + 2]
        if following == "(":
            return self._substitution(self._at + 1, in_quotes=in_quotes)
        if following == "{":
            inner = self._balanced(self._at + 1, "{", "}")
            self._advance(len(inner) + 1)
            return expansions.braces(inner[1:-1], f"${inner}", in_quotes=in_quotes)
        found = _VARIABLE.match(self._text, self._at + 1)
        self._advance(1 + (len(found[0]) if found else 0))
        return expansions.variable(found[0], f"${found[0]}", in_quotes=in_quotes) if found else "$"

    def _substitution(self, opening: int, *, in_quotes: bool) -> Expansion:
        inner = self._balanced(opening, "(", ")")
        source = self._text[self._at : opening] + inner
        self._advance(len(source))
        return expansions.substitution(inner[1:-1], source, in_quotes=in_quotes)

    def _balanced(self, opening: int, left: str, right: str) -> str:
        """From a bracket to the one that closes it; quoted ones do not count."""
        depth, at = 0, opening
        while at < len(self._text):
            character = self._text[at]
            if character == "\\":
                at += 1
            elif character in "'\"":
                at = self._text.find(character, at + 1)
                if at < 0:
                    break
            elif character in (left, right):
                depth += 1 if character == left else -1
                if not depth:
                    return self._text[opening : at + 1]
            at += 1
        raise self._unbalanced(left)

    def _advance(self, characters: int) -> None:
        self._line += self._text.count("\n", self._at, self._at + characters)
        self._at += characters

    def _unbalanced(self, sign: str) -> BadRequestError:
        return BadRequestError(
            f"line {self._line}: what {sign} begins there does not end",
            "Give the whole command; `bash -n` finds where a script's quotes do not match",
        )
