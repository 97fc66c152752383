# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The publishers by name."""

from __future__ import annotations

from .directory import DirectoryPublisher
from .publisher import Publisher
from .ubuntu import UbuntuPublisher

PUBLISHERS: dict[str, Publisher] = {
    "ubuntu": UbuntuPublisher(),
    "directory": DirectoryPublisher(),
}
