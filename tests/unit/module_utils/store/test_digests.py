# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import StoreError
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.digests import digest_of, recall_digest
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.files import hash_file
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout


def test_a_digest_counts_as_long_as_the_file_stays_what_it_is(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "store"))
    layout.ensure()
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("content")
    link.symlink_to(file)
    assert digest_of(layout, str(file), remember=False) == hash_file(str(file))
    assert recall_digest(layout, str(file)) is None
    assert digest_of(layout, str(file)) == recall_digest(layout, str(link)) == hash_file(str(file))
    os.utime(file, ns=(1, 1))
    assert recall_digest(layout, str(file)) is None


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    # Its first page is not there, also for root.
    with pytest.raises(StoreError, match=r"^/proc/self/mem cannot be read: Input/output error"):
        digest_of(Layout(str(tmp_path)), "/proc/self/mem")
