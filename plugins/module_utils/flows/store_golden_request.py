# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which golden images ``image_store`` is asked to prune."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

from ..common.errors import BadRequestError
from ..store.golden import Golden
from ..store.golden_prune import SUFFIX


def golden_argument_spec() -> dict[str, t.Any]:
    """The suboptions of ``golden``."""
    return {
        "type": "dict",
        "options": {
            "keep": {"type": "int", "required": True},
            "dest_dir": {"type": "path"},
            "name": {"type": "str"},
            "image": {"type": "dict"},
        },
        "mutually_exclusive": [("image", "dest_dir"), ("image", "name")],
    }


@dataclass(frozen=True)
class Wish:
    """Which golden images are meant, and how many of them stay."""

    keep: int
    directory: str | None = None
    name: str | None = None
    to_come: bool = False
    """In check mode: whether a build would have published one more by now."""
    current: str | None = None
    """In check mode: where the link would lead by now; None: where it leads."""


def golden_wish(given: Mapping[str, t.Any] | None, check_mode: bool) -> Wish | None:
    """What the option ``golden`` asks for; raises BadRequestError."""
    if given is None:
        return None
    keep, directory, name, image = (given[option] for option in ("keep", "dest_dir", "name", "image"))
    if keep < 0:
        raise BadRequestError(f"golden.keep is {keep}", "Give a number from 0 on")
    if image is not None:
        return _wish_of_image(keep, image, check_mode)
    if name is not None:
        # It refuses what no image can be called.
        Golden(directory or "/", name)
    return Wish(keep, directory and os.path.abspath(directory), name)


def _wish_of_image(keep: int, image: Mapping[str, t.Any], check_mode: bool) -> Wish:
    link = image.get("current")
    if not isinstance(link, str) or not link.endswith(SUFFIX) or "digest" not in image:
        raise BadRequestError(
            "golden.image is not what goldsmith.kvm.image_customize returns as image",
            "Give that of a registered result, or dest_dir and name",
        )
    golden = Golden(os.path.dirname(link), os.path.basename(link)[: -len(SUFFIX)])
    to_come = not image["digest"]
    if to_come and not check_mode:
        raise BadRequestError(
            "golden.image has not been built: it is what image_customize says in check mode",
            "Run image_customize without check mode, or this task with it",
        )
    current = image.get("path") if check_mode and not to_come else None
    return Wish(keep, golden.directory, golden.name, to_come, current)
