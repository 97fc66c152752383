# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every publisher can do."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .metadata import Metadata
from .model import Item, Request, Trust
from .signature import Keys


@dataclass(frozen=True)
class Query:
    """What is wanted, and how well it has to be proved."""

    request: Request
    trust: Trust
    confirm: bool
    """Whether every signed file that states an item's digest has to be asked, not only the catalog."""


class Publisher(t.Protocol):
    """Who offers images. A new one is a file with its class, and a line in ``publishers.py``."""

    @property
    def keys(self) -> Keys | None:
        """The keys that it signs with, where the collection has them."""

    def bases(self, request: Request) -> tuple[str, ...]:
        """The base URLs that all its paths are relative to, in the order in which to try them."""

    def find(self, metadata: Metadata, query: Query) -> list[Item]:
        """The items that the query's request means, at least one.

        Raises BadRequestError, VerificationError or TransferError.
        """
