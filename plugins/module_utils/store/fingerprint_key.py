# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key under which secrets enter fingerprints, the store's own."""

from __future__ import annotations

import os
import secrets
import tempfile

from ..common.errors import StoreError
from .files import refusal, sync_directory
from .layout import Layout

_LENGTH = 32


def fingerprint_key(layout: Layout, *, create: bool) -> bytes | None:
    """The key, made when the store has none yet; None where it has none and ``create`` is false."""
    path = os.path.join(layout.root, "fingerprint.key")
    try:
        if create and not os.path.exists(path):
            _create(path)
        with open(path, encoding="ascii") as file:
            key = bytes.fromhex(file.read())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refusal(path, error) from error
    except ValueError:
        key = b""
    if len(key) != _LENGTH:
        raise StoreError(f"{path} is damaged", "Remove it; images whose steps hold a secret are then built once more")
    return key


def _create(path: str) -> None:
    """Write a new key unless another process is faster: a link to it is made at one stroke, or not at all."""
    descriptor, temporary = tempfile.mkstemp(prefix=".fingerprint.key.", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_LENGTH))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
        sync_directory(os.path.dirname(path))
    finally:
        os.unlink(temporary)
