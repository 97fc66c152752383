# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check of the preflight looks at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..host.model import HostFacts
from .document import Document
from .model import Finding, Level, Value


@dataclass(frozen=True)
class Case:
    before: Document
    after: Document
    wished: frozenset[str]
    running: bool
    host: HostFacts
    values: Mapping[str, Value]
    """Of the definition as it would become."""

    def find(self, level: Level, knobs: str | Iterable[str], text: str) -> Iterator[Finding]:
        """A finding about the first of the knobs that was wished; none where the user named none of them."""
        names = [knobs] if isinstance(knobs, str) else knobs
        yield from [Finding(level, knob, text) for knob in names if knob in self.wished][:1]
