# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.console import Stuck
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.model import BootOptions
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.watch import Watched
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.boot_outcome import masked

SECRET = "hunter2-of-the-seed"


@pytest.mark.parametrize(
    "options",
    [
        {"user_data": {"users": [{"name": "ops", "passwd": SECRET}], "swap": {"size": 0}}},
        {"user_data": {"write_files": [{"content": f"a\n  {SECRET}\nb\n"}]}},
        {"user_data": f"#cloud-config\nusers:\n  - name: ops\n    passwd: '{SECRET}'\n"},
        {"user_data": f'#cloud-config\nbootcmd:\n  - "{SECRET}"\n'},
        {"network_config": {"version": 2, "wifis": {"wlan0": {"access-points": {"x": {"password": SECRET}}}}}},
    ],
)
def test_what_the_console_shows_of_a_seed(options: dict[str, t.Any]) -> None:
    line = f"ops: 0 users with {SECRET}; a, b and 2"
    hidden = "ops: 0 users with ********; a, b and 2"
    stuck = Stuck("kernel", f"the kernel panicked: {SECRET}", (line,), "way out")
    found = masked(Watched(f"{line}\n", stuck=stuck, seconds=3), BootOptions(**options))
    assert found.console == f"{hidden}\n"
    assert found.stuck == Stuck("kernel", "the kernel panicked: ********", (hidden,), "way out")
    assert found.seconds == 3


def test_without_a_seed_of_one_s_own_all_is_shown() -> None:
    watched = Watched(f"{SECRET} ********\n")
    assert masked(watched, BootOptions()) == watched
