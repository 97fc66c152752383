# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that ``virt-customize --commands-from-file`` reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .model import Place
from .options import Argument
from .text import Text


def read(text: str, file: str = "") -> Iterator[Argument]:
    """The operations of a commands file. Nothing in it is quoted or expanded, and a continued line keeps its end."""
    line = 1
    for entry in re.split(r"(?<!\\)\n", text.replace("\r\n", "\n")):
        place = Place(line, file)
        line += entry.count("\n") + 1
        continued = entry.replace("\\\n", "\n")
        if continued.endswith("\\"):
            continued = continued[:-1] + "\n"
        command = continued.lstrip()
        if command and not command.startswith("#"):
            name, dummy, value = command.partition(" ")
            yield Argument(name.rstrip(), Text.of(value), place)
