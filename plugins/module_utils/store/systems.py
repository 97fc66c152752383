# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which operating system an image holds, by the image's digest, so that each is looked into once."""

from __future__ import annotations

from collections.abc import Mapping

from .files import read_record, write_json
from .layout import Layout, hex_of

_KIND = "systems"


def recall_os_release(layout: Layout, digest: str) -> dict[str, str] | None:
    """os-release(5) of the image with this ``sha256:…`` digest, or None where it is not known."""
    return read_record(layout.record_path(_KIND, hex_of(digest)), lambda record: {**record["os_release"]})


def remember_os_release(layout: Layout, digest: str, os_release: Mapping[str, str]) -> None:
    """Record what was found in the image with this digest."""
    write_json(layout.record(_KIND, hex_of(digest)), {"digest": digest, "os_release": dict(os_release)})
