# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML written without a library: targets need not have one."""

from __future__ import annotations

import datetime
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


# How a value is called that JSON cannot say, and what to write in its place.
_KINDS: tuple[tuple[type, str, str], ...] = (
    (bytes, "bytes", "Give them as text in base64, which write_files takes with `encoding: b64`"),
    (datetime.date, "a date", "Quote it: YAML reads 2026-01-31 as a date"),
    (float, "a float", "Quote it"),
    (bool, "true or false", "Quote it"),
    (type(None), "null", "Quote it"),
)


def document(place: str, value: t.Any) -> t.Any:
    """What JSON can say, as it is.

    Raises BadRequestError that names place and kind of what it cannot, and not the value: that may be secret.
    """
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, (str, int)) or isinstance(key, bool):
                kind, way_out = _kind(key)
                raise BadRequestError(f"{place} has a key that is no text, but {kind}", way_out)
        return {str(key): document(f"{place}.{key}", entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [document(f"{place}[{number}]", entry) for number, entry in enumerate(value)]
    # YAML 1.1 takes a number without a point, such as 1e-07, for text; so are the infinite ones.
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and "." in repr(value)):
        return value
    kind, way_out = _kind(value)
    raise BadRequestError(f"{place} is neither text nor number, true, false, list or dictionary, but {kind}", way_out)


def _kind(value: t.Any) -> tuple[str, str]:
    return next(
        ((kind, way_out) for known, kind, way_out in _KINDS if isinstance(value, known)),
        (f"of the type {type(value).__name__}", "Write it as text"),
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
