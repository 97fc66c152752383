# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role domain_tuning says of wishes before it does anything."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.goldsmith.kvm.plugins.filter.wish_problems import wish_problems

SOUND = yaml.safe_load("""
- {domains: ["db-*"], profile: database}
- domains: [db-1]
  cputune: {vcpupin: [{vcpu: "0", cpuset: "2"}], shares: 512}
  memory_backing: {hugepages: {size: 2M}, locked: "yes"}
  disks: [{match: {bus: virtio}, cache: none, io: native}]
""")


def test_sound_wishes() -> None:
    assert wish_problems({"a": SOUND, "b": [], "c": tuple(SOUND)}) == []
    assert wish_problems({}) == []


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (None, "a is not a list. Write each wish as an entry, with a dash in front; [] is none at all."),
        ("db-*", "a is not a list."),
        ({"domains": ["db-*"]}, "a is not a list."),
        (["db-*"], "a[0] is not a dictionary. Say in it which domains it is for"),
        ([*SOUND, None], "a[2] is not a dictionary."),
        ([{"profile": "database"}], "a[0]: missing required arguments: domains"),
        ([*SOUND, {"domains": ["x"], "profile": "databse"}], "a[2]: value of profile must be one of: database, "),
        ([{"domains": ["x"], "cputun": {}}], "a[0]: there is no wishes.cputun. Supported parameters include: "),
        ([{"domains": ["x"], "cputune": {"vcpupinn": []}}], "a[0]: there is no wishes.cputune.vcpupinn. "),
        ([{"domains": ["x"], "disks": [{"match": {"bus": "virtio"}, "cache": "fast"}]}], "a[0]: value of cache must"),
        ([{"domains": ["x"], "memory_backing": {"locked": "perhaps"}}], "a[0]: argument 'locked' is of type str"),
    ],
)
def test_what_is_wrong_and_where(wishes: t.Any, said: str) -> None:
    (problem,) = wish_problems({"sound": SOUND, "a": wishes})
    assert problem.startswith(said)
    assert problem.endswith(".")


def test_all_problems_are_told_at_once() -> None:
    wrong = [{"domains": ["x"], "profile": "a"}, SOUND[0], {"domains": ["x"], "profile": "b"}]
    assert [problem.partition(":")[0] for problem in wish_problems({"a": wrong, "b": 1})] == [
        "a[0]",
        "a[2]",
        "b is not a list. Write each wish as an entry, with a dash in front; [] is none at all.",
    ]


def test_what_is_no_dictionary_of_lists() -> None:
    with pytest.raises(AnsibleFilterError, match="Write it as"):
        wish_problems(SOUND)
