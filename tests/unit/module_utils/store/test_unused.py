# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import typing as t
from datetime import timedelta
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.age import now
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.store import manage_store
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layers import workdir
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.unused import unused_files
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

DAY = 24 * 3600


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(str(tmp_path / "store"))
    layout.ensure()
    return layout


def used(path: str, *, days: float) -> str:
    """A file that was used so long ago."""
    Path(path).write_bytes(b"12345")
    moment = now().timestamp() - days * DAY
    os.utime(path, (moment, moment))
    return path


def test_what_nobody_used_goes(layout: Layout, tmp_path: Path) -> None:
    old, young = (used(layout.payload(f"sha256:{day:064}"), days=day) for day in (31, 29))
    old_log, young_log = (used(os.path.join(layout.logs, f"{day}.log"), days=day) for day in (31, 29))
    host = LocalHost(str(tmp_path))

    def prune(check_mode: bool, **options: object) -> dict[str, t.Any]:
        params = {"store": layout.root, "state": "pruned", "keep": None, "age": None, "golden": None, **options}
        return manage_store(host, params, check_mode, root=str(tmp_path))

    assert prune(False)["removed_files"] == []
    assert prune(False, keep=0)["removed_files"] == []
    predicted = prune(True, age="30d")
    assert predicted["removed_files"] == [old_log]
    assert predicted["removed_payloads"] == 1
    assert predicted["diff"]["before"] == {old_log: "present", layout.payloads: "1 unused, 5 B"}
    assert os.path.basename(old) not in json.dumps(predicted)
    assert predicted["freed"] == 10
    assert os.path.exists(old)
    assert prune(False, age="30d") == predicted
    assert [os.path.exists(path) for path in (old, old_log, young, young_log)] == [False, False, True, True]
    assert not prune(False, age="30d")["changed"]


def test_what_a_build_may_use_stays(layout: Layout) -> None:
    before = used(layout.payload("sha256:1"), days=2)
    moment = now() + timedelta(days=1)
    with workdir(layout) as directory:
        began = now().timestamp() - DAY
        os.utime(os.path.join(directory, "lock"), (began, began))
        used(layout.payload("sha256:2"), days=0.5)
        assert [file.path for file in unused_files(layout, moment)] == [before]
    assert len(unused_files(layout, moment)) == 2


def test_a_store_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert unused_files(Layout(str(tmp_path / "absent")), now()) == []
