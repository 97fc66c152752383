# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a text may be written in a file: what to look for when it must not be there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""Characters. A disk has every shorter text somewhere, by chance."""

_ALPHABETS = (("base64", b"+/"), ("base64url", b"-_"))
_SHORTEST_ENCODED = 8
_LONGEST_LINE = 64
"""Of base64 as PEM has it; MIME has 76."""
_SHORTEST_PIECE = 12


def forms(text: str) -> dict[bytes, str]:
    """What to look for, by its name; the first name where two come to the same."""
    found: dict[bytes, str] = {}
    for name, needle in _forms(text.strip()):
        if needle:
            found.setdefault(needle, name)
    return found


def _forms(text: str) -> Iterator[tuple[str, bytes]]:
    plain = text.encode("utf-8", "surrogateescape")
    yield "plain", plain
    if "\n" in text:
        yield "plain with CR LF", plain.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield "JSON", escaped.encode("utf-8", "surrogateescape")
        yield "JSON", escaped.replace("/", "\\/").encode("utf-8", "surrogateescape")
    for quoted in (quote(plain, safe=""), quote(plain, safe="/"), quote_plus(plain)):
        yield "URL", quoted.encode()
        yield "URL", _lower_escapes(quoted).encode()
    yield from (("UTF-16", needle) for needle in _utf_16(text))
    for name, alphabet in _ALPHABETS:
        for needle in _base64(plain, alphabet):
            yield name, needle


def _lower_escapes(quoted: str) -> str:
    """``%2F`` as ``%2f``; RFC 3986 takes both."""
    first, *others = quoted.split("%")
    return "%".join([first, *(f"{other[:2].lower()}{other[2:]}" for other in others)])


def _utf_16(text: str) -> Iterator[bytes]:
    little = text.encode("utf-16-le", "surrogatepass")
    if len(set(little[1::2])) == 1:
        # All characters have one high byte, so what lies between the first low byte and the last is in both orders.
        yield little[:-1]
    else:
        yield little
        yield text.encode("utf-16-be", "surrogatepass")


def _base64(plain: bytes, alphabet: bytes) -> Iterator[bytes]:
    """What base64 has of the bytes, whichever bytes stand before and behind them.

    Six bits make a character, so the bytes may begin in three places of one, and the characters at both ends that
    others have a part in are left out. Long ones are in lines: of the pieces of which one is in a line, all are wanted.
    """
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + plain, alphabet)
        begin = -(-before * 8 // 6)
        end = (before + len(plain)) * 8 // 6
        whole = encoded[begin:end]
        if len(whole) >= _SHORTEST_ENCODED:
            yield from _pieces(whole)


def _pieces(whole: bytes) -> Iterator[bytes]:
    # So many lines may begin in it.
    breaks = -(-len(whole) // _LONGEST_LINE)
    size = len(whole) // (breaks + 1)
    if size < _SHORTEST_PIECE:
        yield whole
        return
    yield from (whole[at : at + size] for at in range(0, size * (breaks + 1), size))
