# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused, or warned of in check mode, before anything is built."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError, StoreError
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.accel import device_reason
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.flows.building import ScribblingEngine, Workshop


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"digset": "sha256:0"}, "base.digset is not a key of base; digest is. Give path, digest, or"),
        ({"zzz": 1}, "base.zzz is not a key of base. Give"),
        ({"serial": "../1"}, "base.serial has a slash or `..` in it: '../1'"),
        ({"serial": "1..2"}, "base.serial has a slash or `..` in it: '1..2'"),
    ],
)
def test_a_base_that_is_not_understood(workshop: Workshop, wrong: dict[str, t.Any], said: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        workshop.customize(base={"path": str(workshop.base), **wrong}, check_mode=True)
    assert said in str(caught.value)


def test_check_mode_warns_of_a_workdir_that_is_a_file(workshop: Workshop, engine: ScribblingEngine) -> None:
    workshop.customize(workdir=str(workshop.base), check_mode=True)
    assert any("workdir is not a directory" in warning for warning in workshop.host.warnings)


@pytest.mark.parametrize("below", ["", "/golden"])
def test_check_mode_refuses_a_destination_that_is_a_file(
    workshop: Workshop, engine: ScribblingEngine, below: str
) -> None:
    with pytest.raises(StoreError, match="something on its way is a file"):
        workshop.customize(dest_dir=f"{workshop.base}{below}", check_mode=True)


def test_check_mode_warns_of_kvm_that_is_missing(workshop: Workshop, engine: ScribblingEngine) -> None:
    workshop.customize(accel="kvm", check_mode=True)
    reason = device_reason()
    assert [warning for warning in workshop.host.warnings if "accel: kvm" in warning] == (
        [f"the image cannot be built on this host with accel: kvm: {reason}"] if reason else []
    )
