# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of domains as a table."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.goldsmith.kvm.plugins.filter.tuning_table import tuning_table
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.tuning import audited


def row(knob: str, *sides: t.Any, drift: tuple[str, ...] = ()) -> dict[str, t.Any]:
    named = dict(zip(("wished", "persistent", "live", "kernel"), sides))
    return {"knob": knob, **named, "drift": [{"name": name, "reason": "why"} for name in drift]}


DOMAINS = {
    "db-1": {
        "knobs": [
            row("cputune.vcpupin.0", "2", "2", "2", "2"),
            row("disks.vda.cache", "none", "none", "default", "writeback", drift=("pending_restart", "hurts")),
            row("memory_backing.nosharepages", True, True, True, None),
        ]
    },
    "web-1": {
        "knobs": [
            row("memory_backing.hard_limit", None, 2**30, None, None),
            row("balloon.model", None, "virtio", "virtio", "none", drift=("kernel_differs",)),
        ]
    },
}
HEAD = "domain  knob                         wished  persistent  live     kernel     drift"


def test_wished_knobs_and_all_that_disagrees() -> None:
    assert tuning_table(DOMAINS) == [
        HEAD,
        "db-1    cputune.vcpupin.0            2       2           2        2          -",
        "db-1    disks.vda.cache              none    none        default  writeback  pending_restart, hurts",
        "db-1    memory_backing.nosharepages  true    true        true     -          -",
        "web-1   balloon.model                -       virtio      virtio   none       kernel_differs",
    ]


def test_other_knobs() -> None:
    told = [line.split()[1] for line in tuning_table(DOMAINS, "drift")]
    assert told == ["knob", "disks.vda.cache", "balloon.model"]
    assert len(tuning_table(DOMAINS, knobs="all")) == 6
    assert "1073741824" in tuning_table(DOMAINS, knobs="all")[4]


def test_nothing_to_tell() -> None:
    assert tuning_table({}) == []
    assert tuning_table({"web-1": {"knobs": [row("balloon.model", None, "virtio", None, None)]}}) == []


def test_what_the_audit_returns(tmp_path: Path) -> None:
    told = tuning_table(audited(LocalHost(str(tmp_path)), "test:///default"), "all")
    assert told[0].startswith("domain  knob") and all(line.startswith("test ") for line in told[1:]) and len(told) > 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (([], "drift"), "no audit of domains"),
        (({"db-1": {}}, "drift"), "no audit of domains"),
        ((DOMAINS, "some"), "Give one of drift, wished, all"),
    ],
)
def test_refused(given: tuple[t.Any, str], said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said):
        tuning_table(*given)
