# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engines that there are: one line each."""

from __future__ import annotations

from .model import Engine
from .virt_customize import VirtCustomize

ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        VirtCustomize(),
    )
}  # fmt: skip
"""Engine by the name that users write."""
