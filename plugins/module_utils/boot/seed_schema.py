# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seed held against the schema of this host's cloud-init, which may be older or newer than the guest's."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..common.errors import StoreError
from ..common.host import Completed, Host
from .seed import CLOUD_CONFIG, Seed, header_of

PACKAGE = "cloud-init"
_SECONDS = 60
_NETWORK_CONFIG = "network-config"
_ERRORS = re.compile(r"schema errors: (.*)")
_SKIPPED = "Skipping network-config schema validation"
_HIDDEN = "…"
_QUOTED_OR_NUMBER = re.compile(
    r"""'(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" | (?<![\w.])-?[0-9][\w.+-]*""", re.VERBOSE | re.DOTALL
)
# What jsonschema quotes of the schema, or of the names of keys, and not of values.
_SHOWN_AFTER = re.compile(r"(?:is not of type |is not one of \[|does not match |not allowed \()$")
_SHOWN_BEFORE = re.compile(r" is a required property| is a dependency of ")
_NOT_SHOWN = "it says why, but not in a form whose secrets could be hidden: try the configuration by hand"


@dataclass(frozen=True)
class Checked:
    """What cloud-init said."""

    files: tuple[str, ...]
    """Which it has a schema for."""
    errors: Mapping[str, str]
    """What is wrong, by file, without any value that the user wrote."""


def check_schema(host: Host, seed: Seed) -> Checked | None:
    """What this host's cloud-init says of a seed; None where it has none."""
    program = host.which("cloud-init")
    if program is None:
        return None
    said: dict[str, str | None] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="seed-", dir=host.tmpdir) as directory:
            for name, content, options in _checkable(host, program, seed):
                path = os.path.join(directory, name)
                with open(path, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                    file.write(content)
                argv = [program, "schema", "--config-file", path, *options]
                done = host.run(argv, stdin="", timeout=_SECONDS)
                if _SKIPPED not in done.stdout + done.stderr:
                    said[name] = _error(done)
    except OSError as error:
        raise StoreError(f"{host.tmpdir} cannot be used: {error.strerror or error}", "Look at its space") from error
    return Checked(tuple(said), {name: error for name, error in said.items() if error is not None})


def _checkable(host: Host, program: str, seed: Seed) -> Iterator[tuple[str, bytes, Sequence[str]]]:
    """Name and content of what there is a schema for, and the options that name the schema."""
    for name, content in seed.files().items():
        if name == _NETWORK_CONFIG:
            told = host.run([program, "schema", "--help"], stdin="", timeout=_SECONDS)
            if _NETWORK_CONFIG in told.stdout:
                yield name, content, ("--schema-type", _NETWORK_CONFIG)
        elif name != "meta-data" and header_of(content.decode("utf-8", "replace")) == CLOUD_CONFIG:
            yield name, content, ()


def _error(done: Completed) -> str | None:
    if done.rc == 0:
        return None
    said = f"{done.stdout}\n{done.stderr}"
    found = _ERRORS.search(said)
    if found:
        return without_values(found[1].strip())
    lines = said.strip().splitlines() or ["it printed nothing"]
    return without_values(f"cloud-init schema ended with exit status {done.rc}: {lines[-1]}")


def without_values(message: str) -> str:
    """A message of jsonschema without the values that it quotes: one of them may be secret."""
    shown, rest, at, last_shown = [], [], 0, False
    for found in _QUOTED_OR_NUMBER.finditer(message):
        before = message[at : found.start()]
        show = (
            bool(_SHOWN_AFTER.search(before))
            or (last_shown and before == ", ")
            or bool(_SHOWN_BEFORE.match(message, found.end()))
        )
        shown += [before, found[0] if show else _HIDDEN]
        rest.append(before)
        at, last_shown = found.end(), show
    rest.append(message[at:])
    if any(quote in text for text in rest for quote in "'\""):
        # Where a quote is left over, what was within quotes and what was without are not what they seem.
        return _NOT_SHOWN
    return "".join([*shown, message[at:]])
