# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import StoreError, VerificationError
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.payloads import Payloads

CONTENT = b"payload\n" * 300_000
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(str(tmp_path / "store"))
    layout.ensure()
    return layout


def test_a_payload_is_kept_by_its_digest(layout: Layout, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(CONTENT)
    payloads = Payloads(layout)
    assert payloads.missing([DIGEST, DIGEST]) == [DIGEST]
    payloads.adopt(str(sent), DIGEST)
    assert payloads.missing([DIGEST]) == []
    path = Path(payloads.path(DIGEST))
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_changed_on_its_way_is_refused(layout: Layout, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(CONTENT + b"more")
    with pytest.raises(VerificationError, match="was changed while this task ran"):
        Payloads(layout).adopt(str(sent), DIGEST)
    assert list(Path(layout.payloads).iterdir()) == []


def test_what_a_killed_run_has_left_is_removed(layout: Layout, tmp_path: Path) -> None:
    (Path(layout.payloads) / "half.tmp").write_bytes(b"half a sec")
    sent = tmp_path / "sent"
    sent.write_bytes(CONTENT)
    Payloads(layout).adopt(str(sent), DIGEST)
    assert [str(path) for path in Path(layout.payloads).iterdir()] == [layout.payload(DIGEST)]


def test_a_damaged_payload_is_not_used(layout: Layout) -> None:
    Path(layout.payload(DIGEST)).write_bytes(b"rotten")
    with pytest.raises(StoreError, match="was damaged, and is removed") as caught:
        Payloads(layout).use(DIGEST)
    assert DIGEST[7:15] not in str(caught.value)
    assert Payloads(layout).missing([DIGEST]) == [DIGEST]


def test_errors_do_not_name_a_payload(layout: Layout, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(CONTENT)
    with pytest.raises(StoreError) as caught:
        Payloads(layout).use(DIGEST)
    assert DIGEST[7:15] not in str(caught.value)
    Path(layout.payload(DIGEST)).mkdir()
    with pytest.raises(StoreError) as caught:
        Payloads(layout).adopt(str(sent), DIGEST)
    assert DIGEST[7:15] not in str(caught.value)
