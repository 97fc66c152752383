# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.cpuset import LIMIT, CpuSet
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError

SETS = st.frozensets(st.integers(0, LIMIT - 1), min_size=1, max_size=40).map(CpuSet)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("0-3,^2", "0-1,3"),
        ("0,1,2", "0-2"),
        (" 3 , 1-2", "1-3"),
        ("0-7,^2-5", "0-1,6-7"),
        ("4-4", "4"),
        ("^1,1", "1"),
        ("007", "7"),
        (f"{LIMIT - 1}", f"{LIMIT - 1}"),
    ],
)
def test_what_libvirt_reads(text: str, canonical: str) -> None:
    assert str(CpuSet.parse(text, "cpuset")) == canonical


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("3-1", "runs backwards"),
        ("", "is no set of CPUs"),
        ("-1", "is no set of CPUs"),
        ("1,", "is no set of CPUs"),
        ("a", "is no set of CPUs"),
        ("0 1", "is no set of CPUs"),
        ("0x1", "is no set of CPUs"),
        ("1.5", "is no set of CPUs"),
        ("0-3,^0-3", "holds no CPU at all"),
        ("^0", "holds no CPU at all"),
        (f"0-{LIMIT}", "numbers CPUs up to"),
        ("9" * 5000, "numbers CPUs up to"),
        ("0'/><x a='", "is no set of CPUs"),
        ("٣", "is no set of CPUs"),
    ],
)
def test_what_makes_no_sense(text: str, told: str) -> None:
    with pytest.raises(BadRequestError, match=told) as raised:
        CpuSet.parse(text, "wishes[0].cputune.emulatorpin")
    assert raised.value.cause.startswith("wishes[0].cputune.emulatorpin is ")
    assert raised.value.way_out


@given(SETS)
def test_the_text_of_a_set_is_that_set(cpus: CpuSet) -> None:
    assert CpuSet.parse(str(cpus), "cpuset") == cpus


@given(SETS, SETS)
def test_what_is_taken_out(cpus: CpuSet, others: CpuSet) -> None:
    rest = cpus - others
    text = ",".join([str(cpus), *(f"^{part}" for part in str(others).split(","))])
    if rest:
        assert CpuSet.parse(text, "cpuset") == rest
    else:
        with pytest.raises(BadRequestError, match="holds no CPU"):
            CpuSet.parse(text, "cpuset")


def test_a_list_of_the_kernel_may_be_empty() -> None:
    assert not CpuSet.parse_kernel("\n")
    assert CpuSet.parse_kernel("0-1,4\n") == CpuSet.of([0, 1, 4])
