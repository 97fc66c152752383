# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe's secrets, in files and in free blocks."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import ALWAYS, Context, Finding, Rule


def _secrets(context: Context) -> Iterator[Finding]:
    places: dict[tuple[str | None, str, str], list[int]] = {}
    for hit in context.disk.hits:
        places.setdefault((hit.path, hit.secret, hit.form), []).append(hit.offset)
    for (path, secret, form), offsets in places.items():
        where = "" if path else ", in no file that there is: in a block that was freed, or outside the file systems"
        more = f", and at {len(offsets) - 1} more" if len(offsets) > 1 else ""
        yield Finding(path or "", f"{secret} stands there ({form}), at byte {min(offsets)} of the disk{more}{where}")
    for secret in context.disk.countless:
        # Of no file, so that only an exception for all files allows it.
        yield Finding("", f"{secret} stands in so many places that not all of them were looked up")


RULES = (
    Rule(
        "secrets",
        """
        No secret of the recipe is in the image, unless it was declared by `in_image: true`. The whole disk is searched,
        free blocks and all: as it is, in base64, as URLs and JSON escape it, and in UTF-16. What is compressed or
        encrypted in the image is not found.
        """,
        "Have the step not write it, or take it out by the step scrub before the file is deleted; the step generalise "
        "empties the free blocks. If it is meant to be in the image, put it in by a step with in_image: true",
        _secrets,
        ALWAYS,
    ),
)
