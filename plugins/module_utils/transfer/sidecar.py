# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note beside a part file that says what it is a part of."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass

from .validators import Validators


@dataclass(frozen=True)
class Sidecar:
    """Where the bytes of a part file come from, so that a later run may go on with it."""

    url: str
    etag: str
    last_modified: str
    expected: str
    """The digest that the whole file has to have, or an empty string."""
    size: int | None
    """Bytes of the whole file, if known."""

    @property
    def validators(self) -> Validators:
        return Validators(self.etag, self.last_modified)


def sidecar_path(part_path: str) -> str:
    return part_path + ".json"


def load_sidecar(part_path: str) -> Sidecar | None:
    """The note beside ``part_path``; None if there is none or it is not one."""
    try:
        with open(sidecar_path(part_path), encoding="utf-8") as file:
            note = json.load(file)
        sidecar = Sidecar(**note)
    except (OSError, ValueError, TypeError):
        return None
    strings = (sidecar.url, sidecar.etag, sidecar.last_modified, sidecar.expected)
    if not all(isinstance(value, str) for value in strings) or not isinstance(sidecar.size, (int, type(None))):
        return None
    return sidecar


def save_sidecar(part_path: str, sidecar: Sidecar) -> None:
    """Write the note, as a whole or not at all."""
    temporary = sidecar_path(part_path) + ".new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(asdict(sidecar), file)
    os.replace(temporary, sidecar_path(part_path))


def remove_sidecar(part_path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(sidecar_path(part_path))
