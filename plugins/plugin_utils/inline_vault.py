# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that stand encrypted in a task, by ``!vault``."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping


def decrypted(value: t.Any) -> t.Any:
    """The same arguments with plain text for what ansible-core before 2.19 decrypts only on the way to a module."""
    if getattr(value, "__ENCRYPTED__", False):
        return str(value)
    if isinstance(value, Mapping):
        return {key: decrypted(element) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [decrypted(element) for element in value]
    return value
