# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a NoCloud seed consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LABEL = "cidata"
"""The volume's label, by which cloud-init finds a seed."""


@dataclass(frozen=True)
class Seed:
    """The files of a NoCloud seed. cloud-init takes none without the first two."""

    user_data: bytes
    meta_data: bytes
    network_config: bytes | None = None
    vendor_data: bytes | None = None

    def files(self) -> dict[str, bytes]:
        """The files by the names that cloud-init looks for."""
        every: Mapping[str, bytes | None] = {
            "meta-data": self.meta_data,
            "network-config": self.network_config,
            "user-data": self.user_data,
            "vendor-data": self.vendor_data,
        }
        return {name: content for name, content in every.items() if content is not None}
