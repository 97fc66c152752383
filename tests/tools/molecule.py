# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule: the scenarios of extensions/molecule, one for each role."""

from __future__ import annotations

from .paths import LINKED, VENV
from .process import Log
from .summary import Tally


def run(log: Log, extra: list[str]) -> Tally:
    tally = Tally()
    extensions = LINKED / "extensions"
    for scenario in sorted(path.parent.name for path in extensions.glob("molecule/*/molecule.yml")):
        status = log.run(
            [VENV / "bin" / "molecule", "test", "-s", scenario],
            cwd=extensions,
            root=True,
            timeout=1500,
            telling=r"^(E  |FAILED|ERROR)|fatal:|failed:",
        )
        tally.count(scenario, status == 0)
    return tally
