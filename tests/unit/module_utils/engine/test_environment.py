# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.environment import (
    cache_directory,
    choose_smp,
    default_smp,
)


def test_where_the_appliance_is_kept(tmp_path: Path) -> None:
    assert cache_directory({}) == "/var/tmp"
    assert cache_directory({"TMPDIR": str(tmp_path)}) == str(tmp_path)
    assert cache_directory({"TMPDIR": str(tmp_path / "gone")}) == "/var/tmp"
    assert cache_directory({"TMPDIR": str(tmp_path), "LIBGUESTFS_CACHEDIR": "/srv/cache"}) == "/srv/cache"


@pytest.mark.parametrize(
    ("cpus", "running", "expected"),
    [(1, 0, 1), (2, 0, 2), (2, 1, 1), (2, 9, 1), (8, 0, 2), (8, 6, 2), (8, 7, 1)],
)
def test_cpus_of_an_appliance(cpus: int, running: int, expected: int) -> None:
    assert choose_smp(cpus, running) == expected


@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
def test_cpus_on_this_host(accelerator: str) -> None:
    assert 1 <= default_smp(accelerator) <= min(2, os.cpu_count() or 1)
