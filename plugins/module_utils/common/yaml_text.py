# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML written without a library: targets need not have one."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterator, Mapping

from .errors import BadRequestError

# What YAML 1.1 refuses or takes for a line break, and JSON leaves as it is.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
# Keys that YAML takes for nothing but text.
_BARE_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


def document(place: str, value: t.Any) -> t.Any:
    """What JSON can say, as it is; raises BadRequestError that names the place of what it cannot."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, (str, int)) or isinstance(key, bool):
                raise BadRequestError(f"{place} has the key {key!r}, which is no text", "Quote it")
        return {str(key): document(f"{place}.{key}", entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [document(f"{place}[{number}]", entry) for number, entry in enumerate(value)]
    # YAML 1.1 takes a number without a point, such as 1e-07, for text; so are the infinite ones.
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and "." in repr(value)):
        return value
    raise BadRequestError(
        f"{place} is neither text nor number, true, false, list or dictionary: {value!r}",
        "Quote it; YAML reads 2026-01-31 as a date",
    )


def yaml_of(value: t.Any, first_line: str) -> str:
    """A document as YAML, which needs no library: dictionaries as blocks, and whatever else is in them as JSON.

    Keys stand bare and lists on one line, because not everything that reads YAML has a parser for it: cloud-init's
    ``ds-identify`` looks for lines such as ``datasource_list: [a, b]``. ``first_line`` is a comment.
    """
    return "\n".join((first_line, *_lines(value), ""))


def _lines(value: t.Any) -> Iterator[str]:
    if not isinstance(value, Mapping) or not value:
        yield _json(value)
        return
    for key, entry in sorted(value.items()):
        name = key if _BARE_KEY.fullmatch(key) and key.lower() not in _WORDS else _json(key)
        if isinstance(entry, Mapping) and entry:
            yield f"{name}:"
            yield from (f"  {line}" for line in _lines(entry))
        else:
            yield f"{name}: {_json(entry)}"


def _json(value: t.Any) -> str:
    return _UNPRINTABLE.sub(_escaped, json.dumps(value, sort_keys=True, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
