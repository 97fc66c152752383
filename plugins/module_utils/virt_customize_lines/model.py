# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes out of shell lines."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field

from .text import Text

NOT_TURNED = "not_turned"
"""The recipe does without it, and somebody has to see to it."""
LOOK_AT = "look_at"
"""It is in the recipe, and somebody has to look at it."""
NOT_NEEDED = "not_needed"
"""The recipe does without it, and that is right."""


@dataclass(frozen=True)
class Place:
    """Where something was read."""

    line: int
    file: str = ""
    """Name of the commands file, as the command line has it; empty for the text itself."""

    def __str__(self) -> str:
        return f"{self.file} line {self.line}" if self.file else f"line {self.line}"


@dataclass(frozen=True)
class Remark:
    """Something to know about the conversion."""

    kind: str
    place: Place
    subject: str
    """What it is about, as it was written, without secrets."""
    cause: str
    """A sentence without its final full stop."""
    way_out: str = ""
    """Likewise."""

    def __str__(self) -> str:
        told = f"{self.place}: {self.subject}: {self.cause}"
        return f"{told}. {self.way_out}." if self.way_out else f"{told}."


@dataclass(frozen=True)
class Operation:
    """One operation of virt-customize."""

    name: str
    """Without dashes."""
    value: Text
    place: Place


@dataclass(frozen=True)
class Recipe:
    """All that a text does to one image."""

    image: str
    """The image's path, or the Jinja that stands for it; empty where none is named."""
    options: Mapping[str, t.Any]
    """Options of image_customize."""
    steps: tuple[dict[str, t.Any], ...]


@dataclass(frozen=True)
class Conversion:
    """Everything that a text comes to."""

    recipes: tuple[Recipe, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    """The script's own variables that recipes use, by their names in Jinja."""
    remarks: tuple[Remark, ...] = ()


class Files(t.Protocol):
    """The files that shell lines name."""

    def read(self, path: str) -> str | None:
        """The text of a file, None where it cannot be read."""

    def mode(self, path: str) -> str | None:
        """The permissions of a file as in ``0755``, None where there is none."""


class NoFiles:
    """Where there are none to look at."""

    def read(self, path: str) -> str | None:
        return None

    def mode(self, path: str) -> str | None:
        return None
