# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Huge pages that the domains of one call need together."""

from __future__ import annotations

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.model import DomainPlan, Found
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.plan import plan_all, wishes_task

from .sample import found, host, reason, statuses, wishes, xml

ASKED = "[{domains: ['*'], memory_backing: {hugepages: {size: 2M}}}]"
NODE = '<numatune><memory mode="strict" nodeset="{}"/></numatune><os>'
HELD = "<memoryBacking><hugepages><page size='2048'/></hugepages></memoryBacking><os>"
KNOB = "memory_backing.hugepages"


def domain(name: str, gib: int = 1, nodes: str = "", live: str | None = None) -> Found:
    text = xml().replace("<os>", NODE.format(nodes) if nodes else "<os>").replace(">1048576<", f">{gib * 1048576}<")
    known = found(text, live)
    return Found(name, known.uuid, known.state, known.persistent, known.live)


def planned(*domains: Found, asked: str = ASKED) -> dict[str, DomainPlan]:
    """On a host of two nodes, with 512 free pages of 2 MiB, 1 GiB, on each."""
    return plan_all({each.name: wishes_task(each, wishes(asked)) for each in domains}, host())


def refused(*domains: Found, asked: str = ASKED) -> list[str]:
    plans = planned(*domains, asked=asked)
    return [name for name, plan in plans.items() if statuses(plan)[KNOB] == "refused"]


def test_what_each_could_have_alone_is_not_there_for_all() -> None:
    domains = [domain(name) for name in ("a", "b", "c")]
    assert refused(*domains) == ["c"]
    told = reason(planned(*domains)["c"], KNOB)
    assert "needs 512 pages of 2 MiB, and the host has 1024 that are free, of which a, b of the same call" in told


@pytest.mark.parametrize(
    ("domains", "without"),
    [
        ([domain("a", 1, "0"), domain("b", 1, "1")], []),
        ([domain("a", 1, "0"), domain("b", 1, "0")], ["b"]),
        ([domain("a", 1), domain("b", 1, "0")], []),
        ([domain("a", 2), domain("b", 1, "0")], ["b"]),
        ([domain("a", 1, "0"), domain("b", 1, "1"), domain("c", 1)], ["c"]),
        ([domain("a", 1, "0-1"), domain("b", 1, "1")], []),
        ([domain("a", 2, "0-1"), domain("b", 1, "1")], ["b"]),
        # What is refused takes nothing from those after it.
        ([domain("a", 3), domain("b", 2)], ["a"]),
    ],
)
def test_on_the_nodes_that_each_is_bound_to(domains: list[Found], without: list[str]) -> None:
    assert refused(*domains) == without


def test_who_runs_with_them_has_taken_them_already() -> None:
    held = domain("a", 2, live=xml().replace("<os>", HELD))
    assert refused(held, domain("b", 2)) == []


def test_who_is_not_to_have_them_takes_none() -> None:
    asked = f"{ASKED[:-1]}, {{domains: [a], memory_backing: {{hugepages: {{size: none}}}}}}]"
    assert refused(domain("a", 2), domain("b", 2), asked=asked) == []
