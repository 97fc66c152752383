# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recipe leaves in an image on purpose, for the audit."""

from __future__ import annotations

import posixpath
import typing as t
from collections.abc import Iterator, Sequence

from ..audit.model import Allowance, Expected, Secret
from ..recipe.model import Step
from ..recipe.steps import generalise

_HASHED = ("password", "password_hash")
"""Options of users' passwords: the image gets a hash."""
_IN_IMAGE = ("password_hash", "secret_content")
"""Options whose value is meant to be in the image: a hash, and what needs ``in_image``."""
_DEST = ("upload", "write", "template")
"""Steps whose ``dest`` is a file that the user wants there."""
_LINE = ("append_line", "line_in_file")
"""Steps of which the file ``path`` has a ``line`` afterwards."""


def expected_of(steps: Sequence[Step], allow: Sequence[Allowance] = ()) -> Expected:
    """What the image of these steps, whose conditions hold, is meant to be."""
    last = next((step for step in steps if step.kind.name == generalise.NAME), None)
    return Expected(
        generalised=last is not None,
        kept=frozenset() if last is None else frozenset(last.options["keep"]),
        passwords=_passwords(steps),
        authorized_keys=_authorized_keys(steps),
        files=tuple(sorted({_literally(path) for path in _files(steps)})),
        directories=tuple(sorted({_literally(_copied(step)) for step in steps if step.kind.name == "copy_in"})),
        lines=_lines(steps),
        secrets=tuple(_secrets(steps)),
        allow=tuple(allow),
    )


def _passwords(steps: Sequence[Step]) -> dict[str, str]:
    found: dict[str, str] = {}
    for step in steps:
        if step.kind.name not in ("user", "password"):
            continue
        user = str(step.options.get("user") or step.options.get("name"))
        if any(option in step.options for option in _HASHED):
            found[user] = step.options.get("password_hash", "").lstrip("!*")
        elif "disabled" in step.options:
            found.pop(user, None)
    return found


def _authorized_keys(steps: Sequence[Step]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for step in steps:
        if step.kind.name == "user":
            found.setdefault(step.options["name"], set()).update(step.options["authorized_keys"])
        elif step.kind.name == "ssh_inject":
            found.setdefault(step.options["user"], set()).add(step.options["key"])
    return {user: frozenset(keys) for user, keys in found.items()}


def _files(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        if step.kind.name in _DEST:
            yield step.options["dest"]
        elif step.kind.name == "copy_in":
            # If it is a file. What a directory has in it is not known here.
            yield _copied(step)


def _copied(step: Step) -> str:
    return posixpath.join(str(step.options["dest"]), posixpath.basename(str(step.options["src"]).rstrip("/")))


def _lines(steps: Sequence[Step]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for step in steps:
        if step.kind.name in _LINE and step.options.get("state") != "absent":
            found.setdefault(step.options["path"], set()).add(step.options["line"])
    return {path: frozenset(lines) for path, lines in found.items()}


def _literally(path: str) -> str:
    """A path as a pattern that matches it alone."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


def _secrets(steps: Sequence[Step]) -> Iterator[Secret]:
    """The secrets that must not be in the image: not those that are, as a whole or in part, in what is declared."""
    declared = [text for step in steps for option, dummy, text in _values(step) if _is_declared(step, option)]
    told: set[str] = set()
    for step in steps:
        for option, key, text in _values(step):
            if _is_declared(step, option) or text in told or any(text.strip() in other for other in declared):
                continue
            told.add(text)
            yield Secret(f"{'.'.join(filter(None, (option, key)))} of step {step.label}", text)


def _is_declared(step: Step, option: str) -> bool:
    return option in _IN_IMAGE or bool(step.options.get("in_image"))


def _values(step: Step) -> Iterator[tuple[str, str, str]]:
    """Option, key in it, and text of each secret."""
    for option in sorted(step.kind.secrets & set(step.options)):
        value: t.Any = step.options[option]
        if isinstance(value, dict):
            yield from ((option, str(key), str(text)) for key, text in sorted(value.items()) if str(text).strip())
        elif str(value).strip():
            yield option, "", str(value)
