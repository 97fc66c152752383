# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's Python bindings, and its errors in this collection's words."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator

from ..common.errors import GoldsmithError

try:
    import libvirt
except ImportError:
    # What needs it asks common/interpreter.py for a Python that has it.
    libvirt = None

__all__ = ["PACKAGES", "LibvirtError", "in_our_words", "libvirt"]

PACKAGES: t.Final = {"libvirt": "python3-libvirt", "lxml.etree": "python3-lxml"}
"""What the modules for domains import, and the packages that have it."""


class LibvirtError(GoldsmithError):
    """libvirt refuses, or cannot be asked."""

    code: int = 0
    """libvirt's own, of virErrorNumber."""


@contextlib.contextmanager
def in_our_words(what: str, way_out: str = "") -> Iterator[None]:
    """Turn libvirt's errors into LibvirtError: ``what`` could not be done, and what libvirt says of it."""
    try:
        yield
    except libvirt.libvirtError as error:
        raised = LibvirtError(f"{what}: {error.get_error_message() or error}", way_out)
        raised.code = error.get_error_code() or 0
        raise raised from error
