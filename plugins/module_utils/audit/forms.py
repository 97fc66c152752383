# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a text may be written in a file: what to look for when it must not be there."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SHORTEST = 6
"""Characters. A disk has every shorter text somewhere, by chance."""

_ALPHABETS = ((b"+/", "base64"), (b"-_", "base64url"))
_LONGEST_SECTION = 512
"""Bytes. A block that was used again may still have a part of a long text."""
_CORE = 48
"""Bytes of a section that are looked for in base64: no more than a line of it has."""
_LONG_LINE = 16
_LONG_ENCODED = 24
"""Characters of base64 of which a half is rare enough to be looked for alone."""
_INDENT = 40
_NEWLINE = rb"(?:\r?\n[ \t]{0,%d}|(?:\\r)?\\n|(?:%%0[Dd])?%%0[Aa])" % _INDENT
_BREAK = rb"(?:\r?\n[ \t]{0,%d}|(?:\\r)?\\n)?" % _INDENT
"""Within base64."""
_LONGEST_BREAK = _INDENT + 2
# What neither URLs nor JSON ever escape.
_RUN = re.compile(r"[A-Za-z0-9._-]+")
_ARMOUR = re.compile(r"-----(?:BEGIN|END) [^\n]*?-----")
_PUBLIC = re.compile(
    r"-----BEGIN (?P<what>[A-Z0-9 ]*(?:CERTIFICATE|PUBLIC KEY))-----.*?-----END (?P=what)-----", re.DOTALL
)


@dataclass(frozen=True)
class Needle:
    """Bytes to look for, and what has to stand around them."""

    form: str
    anchor: bytes
    """Found at great speed; empty where there is nothing in the text that is always written in one way."""
    whole: re.Pattern[bytes] | None = None
    """What has to be there; None where the anchor says it all."""
    rest: re.Pattern[bytes] | None = None
    """The part of it that begins with the anchor, which is soon ruled out."""
    longest: int = 0
    """Bytes that the whole may take."""
    plain: bytes = b""
    """The text as it is."""

    @property
    def reach(self) -> int:
        """Bytes around the anchor that matter."""
        return max(self.longest, len(self.anchor))

    def found_in(self, data: bytes) -> Iterator[tuple[int, str]]:
        """Offset and form of each place; a place may come more than once."""
        if self.whole is None or self.rest is None:
            yield from ((at, self.form) for at in self._anchors(data))
        elif not self.anchor:
            yield from self._verified(self.whole.finditer(data))
        else:
            for at in self._anchors(data):
                if self.rest.match(data, at):
                    around = self.whole.finditer(data, max(0, at - self.reach), at + self.reach)
                    yield from self._verified(around)

    def _anchors(self, data: bytes) -> Iterator[int]:
        at = data.find(self.anchor)
        while at >= 0:
            yield at
            at = data.find(self.anchor, at + 1)

    def _verified(self, found: Iterator[re.Match[bytes]]) -> Iterator[tuple[int, str]]:
        return ((match.start(), self._form_of(match[0])) for match in found)

    def _form_of(self, found: bytes) -> str:
        """What the way it is written in is called."""
        if not self.plain:
            return self.form
        if found.split() == self.plain.split():
            return "plain"
        return "JSON" if found.count(b"\\") > self.plain.count(b"\\") else "URL"


def needles(text: str) -> Sequence[Needle]:
    """All that is to be looked for, for one text."""
    found: dict[object, Needle] = {}
    for section in sections(text):
        core = _core(section)
        cores = dict.fromkeys((core, core.replace("\n", "\r\n")))
        encoded = [needle for core in cores for needle in (*_utf_16(core), *_base64(_bytes(core)[-_CORE:]))]
        for needle in (_written(section), *encoded):
            found.setdefault((needle.anchor, needle.whole, needle.rest), needle)
    return list(found.values())


def sections(text: str) -> list[str]:
    """The text in parts of about 512 bytes at the most, of whole lines where these are not longer."""
    parts: list[str] = []
    for piece in _pieces(text.strip().replace("\r\n", "\n")):
        first = len(parts)
        for line in piece.split("\n"):
            if len(parts) > first and len(_bytes(f"{parts[-1]}\n{line}")) <= _LONGEST_SECTION:
                parts[-1] += f"\n{line}"
            else:
                parts += _cut(line)
    # The end of one that is cut may be what many texts have.
    return [part for part in parts if len(part.strip()) >= _CORE] or [max(parts, key=len)]


def _pieces(text: str) -> list[str]:
    """Of private keys in PEM what is between their first and their last lines, which all have, and what is beside them.

    Certificates that stand with them are no secret.
    """
    if not _ARMOUR.search(text):
        return [text]
    secret = _PUBLIC.sub("", text.replace("\\n", "\n"))
    return [piece.strip() for piece in _ARMOUR.split(secret) if piece.strip()] or [text]


def _cut(line: str) -> list[str]:
    """A line in parts of one size, of which each has as many bytes only where all characters have."""
    count = -(-len(_bytes(line)) // _LONGEST_SECTION)
    size = -(-len(line) // max(1, count))
    return [line[at : at + size] for at in range(0, len(line), size)] or [line]


def _core(section: str) -> str:
    """The end of the longest line: the same wherever lines are broken and however they are indented.

    It is the end because keys of one kind begin alike.
    """
    line = max(reversed(section.split("\n")), key=len)
    return (line if len(line) >= _LONG_LINE else section)[-_CORE:]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _written(section: str) -> Needle:
    """As it is, and as JSON and URLs escape it; each character may be written in its own way."""
    ways = [_ways(character) for character in section]
    patterns = [pattern for pattern, dummy in ways]
    run = max(_RUN.finditer(section), key=lambda found: len(found[0]), default=None)
    begin, anchor = (run.start(), run[0].encode()) if run and len(run[0]) > 1 else (0, b"")
    whole, rest = re.compile(b"".join(patterns)), re.compile(b"".join(patterns[begin:]))
    return Needle("plain", anchor, whole, rest, sum(longest for dummy, longest in ways), _bytes(section))


def _ways(character: str) -> tuple[bytes, int]:
    """Pattern of all ways to write a character, and the length of the longest."""
    plain = _bytes(character)
    if _RUN.fullmatch(character):
        return re.escape(plain), 1
    if character == "\n":
        return _NEWLINE, _LONGEST_BREAK
    units = character.encode("utf-16-be", "surrogatepass").hex()
    unicode = b"".join(rb"\\u" + _any_case(units[at : at + 4]) for at in range(0, len(units), 4))
    percent = b"".join(b"%" + _any_case(f"{byte:02x}") for byte in plain)
    ways = {re.escape(plain): len(plain), unicode: len(units) // 4 * 6, percent: 3 * len(plain)}
    short = json.dumps(character)[1:-1].encode()
    for way in (short, b"\\/" if character == "/" else b"", b"+" if character == " " else b""):
        if way:
            ways.setdefault(re.escape(way), len(way))
    # The longer ones first, as `%` itself is where `%25` begins.
    patterns = sorted(ways, key=len, reverse=True)
    return b"(?:" + b"|".join(patterns) + b")", max(ways.values())


def _any_case(digits: str) -> bytes:
    return b"".join(f"[{digit}{digit.upper()}]".encode() if digit.isalpha() else digit.encode() for digit in digits)


def _utf_16(text: str) -> Iterator[Needle]:
    little = text.encode("utf-16-le", "surrogatepass")
    if len(set(little[1::2])) == 1:
        # All characters have one high byte, so what lies between the first low byte and the last is in both orders.
        yield Needle("UTF-16", little[:-1])
    else:
        yield Needle("UTF-16", little)
        yield Needle("UTF-16", text.encode("utf-16-be", "surrogatepass"))


def _base64(plain: bytes) -> Iterator[Needle]:
    """What base64 has of these bytes, whichever bytes stand before and behind it.

    Six bits make a character, so the bytes may begin in three places of one, and the characters at both ends that
    others have a part in are left out. A line may end anywhere in it: one of its halves is whole.
    """
    for alphabet, form in _ALPHABETS:
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + plain, alphabet)
            whole = encoded[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6]
            half = -(-len(whole) // 2)
            for begin in (0, len(whole) - half):
                anchor = whole[begin : begin + half]
                if len(whole) >= _LONG_ENCODED:
                    yield Needle(form, anchor)
                else:
                    reach = len(whole) * (1 + _LONGEST_BREAK)
                    yield Needle(form, anchor, _broken(whole), _broken(whole[begin:]), reach)


def _broken(encoded: bytes) -> re.Pattern[bytes]:
    return re.compile(_BREAK.join(re.escape(encoded[at : at + 1]) for at in range(len(encoded))))
