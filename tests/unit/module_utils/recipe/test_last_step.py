# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that has to be the last."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.canonical import canonical_step
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.generalise_scripts import GROUPS
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import all_operations
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Run
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.steps.generalise import trims

MKDIR = {"mkdir": {"path": "/srv/x"}}
PROXY = {"apt_proxy": {"http": "http://proxy.example.com:3128"}}
HOST_KEY = {"write": {"dest": "/etc/ssh/ssh_host_rsa_key.pub", "content": "ssh-rsa AAAA\n"}}


def refusal(*steps: dict[str, t.Any]) -> str:
    with pytest.raises(BadRequestError) as raised:
        parse_steps(steps)
    return str(raised.value)


def test_the_step_after_it_is_named() -> None:
    assert refusal({"generalise": {}}, MKDIR) == (
        "steps[1].mkdir (step 2) comes after generalise (step 1), which has to be the last step. "
        "Write generalise at the end of steps."
    )
    assert "Once is enough" in refusal(MKDIR, {"generalise": {}}, {"generalise": {}})


@pytest.mark.parametrize(
    ("step", "group"),
    [
        (HOST_KEY, "ssh_host_keys"),
        ({"upload": {"src": "key", "dest": "/etc/ssh/ssh_host_ed25519_key"}}, "ssh_host_keys"),
        ({"write": {"dest": "/var/lib/cloud/seed/nocloud/user-data", "content": "x"}}, "cloud_init_seed"),
        ({"copy_in": {"src": "nocloud", "dest": "/var/lib/cloud/seed"}}, "cloud_init_seed"),
        ({"append_line": {"path": "/etc/ssh/ssh_host_rsa_key.pub", "line": "x"}}, "ssh_host_keys"),
        ({"netplan": {"name": "50-cloud-init", "content": "network: {version: 2}"}}, "cloud_init"),
        ({"write": {"dest": "/etc/sudoers.d/90-cloud-init-users", "content": "x"}}, "cloud_init"),
        ({"upload": {"src": "x", "dest": "/etc/udev/rules.d/70-persistent-net.rules"}}, "network"),
        ({"copy_in": {"src": "Office.nmconnection", "dest": "/etc/NetworkManager/system-connections"}}, "network"),
        ({"line_in_file": {"path": "/etc/nvme/hostnqn", "line": "x", "create": True}}, "host_ids"),
        ({"upload": {"src": "x", "dest": "/root/.ssh/id_ed25519"}}, "credentials"),
        ({"write": {"dest": "/home/ops/.psql_history", "content": "x"}}, "histories"),
        ({"append_line": {"path": "/var/log/dpkg.log", "line": "x"}}, "logs"),
        ({"write": {"dest": "/etc/dhcpcd.duid", "content": "x"}}, "dhcp_leases"),
        ({"upload": {"src": "x", "dest": "/var/lib/systemd/random-seed"}}, "random_seed"),
        ({"write": {"dest": "/var/mail/root", "content": "x"}}, "mail"),
    ],
)
def test_what_the_recipe_puts_in_is_not_taken_out_unasked(step: dict[str, t.Any], group: str) -> None:
    said = refusal(step, {"generalise": {"keep": ["stamps"]}})
    assert f"keep: [{group}]" in said
    assert "(step 1)" in said
    assert len(parse_steps([step, {"generalise": {"keep": [group]}}])) == 2


@pytest.mark.parametrize(
    "step",
    [
        # For the build alone.
        {"upload": {"src": "installer", "dest": "/tmp/"}},
        {"delete": {"path": "/etc/ssh/ssh_host_*"}},
        {"line_in_file": {"path": "/etc/nvme/hostnqn", "line": "x", "state": "absent"}},
        {"netplan": {"name": "60-storage", "content": "network: {version: 2}"}},
        {"write": {"dest": "/srv/home/.config/x_history", "content": "x"}},
        {"write": {"dest": "/root/.config/x_history", "content": "x"}},
        {"mkdir": {"path": "/var/log/app"}},
    ],
)
def test_what_it_leaves_may_be_put_in(step: dict[str, t.Any]) -> None:
    assert len(parse_steps([step, {"generalise": {}}])) == 2


def test_an_unknown_group_is_refused() -> None:
    assert "apt_lists" in refusal({"generalise": {"keep": ["lists"]}})


def test_it_comes_behind_what_others_finish() -> None:
    steps = parse_steps([PROXY, MKDIR, {"generalise": {}}])
    done = all_operations(steps, {step.index: {} for step in steps})
    assert [step.label for step in done] == ["1 (apt_proxy)", "2 (mkdir)", "1 (apt_proxy)", "3 (generalise)"]


@given(st.lists(st.sampled_from(list(GROUPS))))
def test_kept_groups_are_the_same_in_any_order(keep: list[str]) -> None:
    (step,) = parse_steps([{"generalise": {"keep": keep}}])
    (other,) = parse_steps([{"generalise": {"keep": sorted(set(keep), reverse=True)}}])
    assert canonical_step(step, {}, str) == canonical_step(other, {}, str)
    (operation,) = step.operations({}).operations
    assert isinstance(operation, Run)
    for name, group in GROUPS.items():
        assert (group.script in operation.script) is (name not in keep)


@pytest.mark.parametrize("trim", [True, False])
def test_trim(trim: bool) -> None:
    steps = parse_steps([MKDIR, {"generalise": {"trim": trim}}])
    assert trims(steps) is trim
    assert not trims(steps[:1])
