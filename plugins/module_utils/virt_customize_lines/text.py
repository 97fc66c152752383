# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of a shell script: text that is known, and what the shell would put into it."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass

# What begins something of Jinja's.
_OPENING = re.compile(r"\{[{%#]")


def jinja_string(text: str) -> str:
    """A string of Jinja's, which reads Python's escapes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


@dataclass(frozen=True)
class Expansion:
    """Something that the shell would expand."""

    source: str
    """As it is written: ``${IMAGE}``, ``$(date +%F)``."""
    jinja: str
    """The expression that takes its place."""
    variable: str = ""
    """Name of the shell's variable, where it is one."""
    remark: str = ""
    """What has to be said about the expression."""
    quoted: bool = False
    """Whether it stands in double quotes, where the shell does not split its value into words."""


Part = t.Union[str, Expansion]


@dataclass(frozen=True)
class Text:
    """Known text and expansions, in order."""

    parts: tuple[Part, ...] = ()

    @classmethod
    def of(cls, *parts: Part) -> Text:
        """Parts with neighbouring known text joined."""
        joined: list[Part] = []
        for part in parts:
            if isinstance(part, str) and joined and isinstance(joined[-1], str):
                joined[-1] += part
            elif part != "":
                joined.append(part)
        return cls(tuple(joined))

    @property
    def literal(self) -> str | None:
        """The text, where nothing in it is expanded."""
        if not self.parts:
            return ""
        only = self.parts[0]
        return only if len(self.parts) == 1 and isinstance(only, str) else None

    @property
    def source(self) -> str:
        """As remarks show it."""
        return "".join(part if isinstance(part, str) else part.source for part in self.parts)

    @property
    def jinja(self) -> str:
        """As it is written into a playbook."""
        written = ""
        for number, part in enumerate(self.parts):
            if isinstance(part, Expansion):
                written += f"{{{{ {part.jinja} }}}}"
                continue
            escaped = _OPENING.sub(lambda found: f"{{{{ '{found[0]}' }}}}", part)
            if escaped.endswith("{") and number + 1 < len(self.parts):
                escaped = escaped[:-1] + "{{ '{' }}"
            written += escaped
        return written

    @property
    def expression(self) -> str:
        """As an expression of Jinja's, to stand in another."""
        pieces = (
            jinja_string(part) if isinstance(part, str) else f"({part.jinja})" if "|" in part.jinja else part.jinja
            for part in self.parts
        )
        return " ~ ".join(pieces) or "''"

    @property
    def head(self) -> str:
        """The known text that it begins with."""
        return self.parts[0] if self.parts and isinstance(self.parts[0], str) else ""

    def expansions(self) -> Iterator[Expansion]:
        return (part for part in self.parts if isinstance(part, Expansion))

    def split(self, separator: str, times: int = -1) -> list[Text]:
        """Split at a separator that stands in the known text, at most so many times."""
        pieces: list[list[Part]] = [[]]
        for part in self.parts:
            if isinstance(part, Expansion):
                pieces[-1].append(part)
                continue
            left = -1 if times < 0 else times - len(pieces) + 1
            first, *rest = part.split(separator, left) if left else [part]
            pieces[-1].append(first)
            pieces.extend([piece] for piece in rest)
        return [Text.of(*piece) for piece in pieces]

    def strip(self) -> Text:
        """Without white space around it."""
        parts = list(self.parts)
        if parts and isinstance(parts[0], str):
            parts[0] = parts[0].lstrip()
        if parts and isinstance(parts[-1], str):
            parts[-1] = parts[-1].rstrip()
        return Text.of(*parts)

    def __bool__(self) -> bool:
        return bool(self.parts)
