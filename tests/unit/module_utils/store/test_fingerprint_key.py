# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import StoreError
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.fingerprint_key import fingerprint_key
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path))


def test_a_store_without_a_key_gets_one_only_when_asked(layout: Layout, tmp_path: Path) -> None:
    assert fingerprint_key(layout, create=False) is None
    assert list(tmp_path.iterdir()) == []
    key = fingerprint_key(layout, create=True)
    assert key is not None
    assert len(key) == 32
    assert fingerprint_key(layout, create=True) == fingerprint_key(layout, create=False) == key
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_runs_that_start_together_agree_on_one_key(layout: Layout) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda dummy: fingerprint_key(layout, create=True), range(8)))
    assert len(keys) == 1


@pytest.mark.parametrize("content", ["", "not hexadecimal", "abcd"])
def test_a_damaged_key(layout: Layout, tmp_path: Path, content: str) -> None:
    (tmp_path / "fingerprint.key").write_text(content)
    with pytest.raises(StoreError, match=r"fingerprint\.key is damaged"):
        fingerprint_key(layout, create=True)
