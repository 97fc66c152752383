# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.environment import cache_directory


def test_where_the_appliance_is_kept(tmp_path: Path) -> None:
    assert cache_directory({}) == "/var/tmp"
    assert cache_directory({"TMPDIR": str(tmp_path)}) == str(tmp_path)
    assert cache_directory({"TMPDIR": str(tmp_path / "gone")}) == "/var/tmp"
    assert cache_directory({"TMPDIR": str(tmp_path), "LIBGUESTFS_CACHEDIR": "/srv/cache"}) == "/srv/cache"
