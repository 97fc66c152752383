# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains and hosts for the tests of the room."""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.cpuset import CpuSet
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.document import Document
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.model import DomainPlan, Found
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.plan import plan_domain
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.domain_tune import tune_argument_spec
from ansible_collections.goldsmith.kvm.plugins.module_utils.host.model import HostFacts, Node, Pages

GOLDEN = Path(__file__).with_name("golden")
MIB = 1024**2
UUID = "0b3e0c6c-2f6b-4a5e-9a59-3d3b6f0f8f0e"


def host(**changes: t.Any) -> HostFacts:
    """8 CPUs on two NUMA nodes, each with 1024 huge pages of 2 MiB, of which 512 are free."""
    nodes = {node: Node(CpuSet.of(range(4 * node, 4 * node + 4)), {2 * MIB: Pages(1024, 512)}) for node in range(2)}
    return HostFacts(**{"online": CpuSet.of(range(8)), "nodes": nodes, "cpu_shares": (2, 2**18), **changes})


def xml(name: str = "pins") -> str:
    """The definition of a golden case."""
    return (GOLDEN / name / "in.xml").read_text()


def found(persistent: str | None, live: str | None = None, **changes: t.Any) -> Found:
    documents = [None if text is None else Document.parse(text) for text in (persistent, live)]
    state = "shutoff" if live is None else "running"
    return Found("db-1", UUID, state, documents[0], documents[1], **changes)


def wishes(text: str) -> list[dict[str, t.Any]]:
    """Wishes as the module gets them: checked, and with all that was left out; BadRequestError for what it refuses."""
    validated = ArgumentSpecValidator(tune_argument_spec()).validate({"wishes": yaml.safe_load(text)})
    if validated.error_messages:
        raise BadRequestError("; ".join(validated.error_messages))
    return list(validated.validated_parameters["wishes"])


def plan(text: str, persistent: str | None = None, live: str | None = None, **facts: t.Any) -> DomainPlan:
    """The plan for a domain, that of the golden case ``pins`` where none is given; the wishes lack ``domains``."""
    domain = found(xml() if persistent is None and live is None else persistent, live)
    asked = yaml.safe_dump([{"domains": ["db-1"], **yaml.safe_load(text)}])
    return plan_domain(domain, wishes(asked), host(**facts))


def statuses(planned: DomainPlan) -> dict[str, str]:
    return {change.knob: change.status for change in planned.changes}


def reason(planned: DomainPlan, knob: str) -> str:
    return next(change.reason for change in planned.changes if change.knob == knob)
