# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that a user can act upon.

Every refusal is a :class:`GoldsmithError`: what is wrong, and the way out.
The module runner turns it into ``fail_json``; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import typing as t


class GoldsmithError(Exception):
    """A refusal that names its cause and the way out.

    ``cause`` and ``way_out`` are sentences without a final full stop.
    ``details`` are returned by the module beside ``msg``, under their own names.
    """

    log: str = ""
    """What the steps of a build had printed when it failed."""

    def __init__(self, cause: str, way_out: str = "", **details: t.Any) -> None:
        super().__init__(cause)
        self.cause = cause
        self.way_out = way_out
        self.details = details

    def add(self, sentence: str) -> None:
        """Say something more, after the way out; without a full stop."""
        self.way_out = f"{self.way_out}. {sentence}" if self.way_out else sentence

    def __str__(self) -> str:
        return f"{self.cause}. {self.way_out}." if self.way_out else f"{self.cause}."


class BadRequestError(GoldsmithError):
    """What the user asked for does not exist or contradicts itself."""


class MissingProgramError(GoldsmithError):
    """A program that the work needs is not installed."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(
            f"the program {program} is not installed on this host",
            f"Install the package {package}",
        )


class CommandError(GoldsmithError):
    """A program ran and failed."""


class VerificationError(GoldsmithError):
    """Bytes or statements are not what a signature or a digest says."""


class TransferError(GoldsmithError):
    """Bytes could not be had from a URL."""


class UnreachableError(TransferError):
    """No answer from a URL: name resolution, connection, TLS or time-out."""


class HttpStatusError(TransferError):
    """The server answered with an error status."""

    def __init__(self, url: str, status: int, reason: str, retry_after: float | None = None) -> None:
        super().__init__(f"{url} answered {status} {reason}")
        self.url = url
        self.status = status
        self.retry_after = retry_after

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later (RFC 9110, sections 15.5 and 15.6)."""
        return self.status in (408, 425, 429) or self.status >= 500


class StoreError(GoldsmithError):
    """The store, or the file system it is on, refuses."""


class StepError(GoldsmithError):
    """A step of a recipe failed inside the image."""
