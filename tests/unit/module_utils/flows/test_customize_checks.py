# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of checks: nonsense is refused also where the check is off, and what does nothing is told."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.model import BootOptions
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.customize_checks import (
    checks_argument_spec,
    checks_from,
    warn_of_idle_options,
)
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

ALLOW = [{"rule": "logs", "reason": "they are wanted"}]


def params(**given: t.Any) -> dict[str, t.Any]:
    result = ArgumentSpecValidator(checks_argument_spec()).validate(given)
    assert not result.error_messages
    return {**result.validated_parameters, "accel": "tcg"}


@pytest.mark.parametrize("boot_check", [True, False])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"memory": "nonsense"}, "boot_options.memory is 'nonsense'"),
        ({"cpus": 0}, "boot_options.cpus is 0"),
        ({"firmware": []}, "boot_options.firmware is empty"),
        ({"firmware": ["uefi", "bios", "uefi"]}, "boot_options.firmware is uefi, bios, uefi. Name each firmware once"),
    ],
)
def test_boot_options_that_cannot_be(boot_check: bool, options: dict[str, t.Any], said: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        checks_from(params(boot_check=boot_check, boot_options=options))
    assert str(caught.value).startswith(said)


def test_an_image_is_booted_only_where_that_is_wanted() -> None:
    options = {"firmware": ["bios", "uefi"]}
    assert [boot.firmware for boot in checks_from(params(boot_check=True, boot_options=options)).boots] == [
        "bios",
        "uefi",
    ]
    assert checks_from(params(boot_options=options)).boots == ()


def test_what_a_boot_may_show_is_the_check_s_option_for_option() -> None:
    assert checks_from(params(boot_check=True)).boots == (BootOptions(accel="tcg"),)
    allowed = {"allow_failed_units": ["a.*"], "allow_ordering_cycles": True, "allow_cloud_init_errors": True}
    (boot,) = checks_from(params(boot_check=True, boot_options=allowed)).boots
    assert boot == BootOptions(
        accel="tcg", allow_failed_units=("a.*",), allow_ordering_cycles=True, allow_cloud_init_errors=True
    )


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ({}, []),
        ({"audit": False, "audit_allow": [], "boot_options": {}}, []),
        ({"audit_allow": ALLOW, "boot_check": True, "boot_options": {"cpus": 1}}, []),
        ({"audit": False, "audit_allow": ALLOW}, ["audit_allow does nothing, because audit is false"]),
        ({"boot_options": {"cpus": 1}}, ["boot_options does nothing, because boot_check is false"]),
    ],
)
def test_options_without_effect_are_told(tmp_path: Path, given: dict[str, t.Any], warned: list[str]) -> None:
    host = LocalHost(str(tmp_path))
    warn_of_idle_options(host, params(**given))
    assert host.warnings == warned
