# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in what is told of a build."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..common.errors import GoldsmithError
from ..recipe.operations import StepOperations

MASK = "********"

_QUOTED_QUOTES = ("'\\''", "'\"'\"'")
"""What a quote becomes between quotes: as bash -x prints it, and as shlex.quote() and dash -x do."""


class Mask:
    """Puts :data:`MASK` in the place of every secret, and of every line of a secret with several.

    Also as shells and :func:`shlex.quote` write them, where a quote stands in them.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        texts = set()
        for secret in secrets:
            # As a log is read, see report_disk.
            text = secret.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            texts |= {text.strip(), *(line.strip() for line in text.splitlines())}
        texts |= {text.replace("'", quote) for text in texts for quote in _QUOTED_QUOTES}
        longest_first = sorted(texts - {""}, key=lambda text: (-len(text), text))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    @classmethod
    def of(cls, steps: Iterable[StepOperations]) -> Mask:
        """For the secrets of all steps: one step may print another's."""
        return cls(secret for step in steps for secret in step.secrets)

    def text(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def error(self, error: GoldsmithError) -> None:
        """Mask what an error says."""
        error.cause, error.way_out = self.text(error.cause), self.text(error.way_out)
        error.args = tuple(self.text(argument) if isinstance(argument, str) else argument for argument in error.args)
