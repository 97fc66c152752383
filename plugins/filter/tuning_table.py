# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.model import worded

DOCUMENTATION = r"""
name: tuning_table
short_description: The audit of domains as a table
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
positional: knobs
description:
  - Writes what M(goldsmith.kvm.domain_tuning_info) has found of domains as lines for people. Each knob has a line with
    what was wished, the definition, the running domain, the kernel, and the names of its drift.
  - V(-) stands where there is nothing to tell.
options:
  _input:
    description: The RV(goldsmith.kvm.domain_tuning_info#module:domains) that the module returned.
    type: dict
    required: true
  knobs:
    description: Which knobs. Those that disagree, those and all that are wished, or all.
    type: str
    choices: [drift, wished, all]
    default: wished
seealso:
  - module: goldsmith.kvm.domain_tuning_info
"""

EXAMPLES = r"""
- name: Look at the databases
  goldsmith.kvm.domain_tuning_info:
    domains: ["db-*"]
    wishes:
      - domains: ["db-*"]
        profile: database
  register: audit

- name: Show them
  ansible.builtin.debug:
    msg: "{{ audit.domains | goldsmith.kvm.tuning_table }}"
"""

RETURN = r"""
_value:
  description: The lines, with the columns' names first. Empty when there is no such knob.
  type: list
  elements: str
  sample:
    - "domain  knob               wished  persistent  live     kernel     drift"
    - "db-1    cputune.vcpupin.0  2       2           2        2          -"
    - "db-1    disks.vda.cache    none    none        default  writeback  pending_restart"
"""

_SIDES = ("wished", "persistent", "live", "kernel")
_NOTHING = "-"
_CHOSEN: dict[str, t.Callable[[Mapping[str, t.Any]], bool]] = {
    "drift": lambda row: bool(row["drift"]),
    "wished": lambda row: bool(row["drift"]) or row["wished"] is not None,
    "all": lambda dummy: True,
}


def tuning_table(domains: Mapping[str, t.Any], knobs: str = "wished") -> list[str]:
    """The lines of the table; see DOCUMENTATION."""
    if knobs not in _CHOSEN:
        raise AnsibleFilterError(f"knobs is {knobs!r}. Give one of {', '.join(_CHOSEN)}.")
    if not isinstance(domains, Mapping) or not all("knobs" in domain for domain in domains.values()):
        raise AnsibleFilterError("this is no audit of domains. Give the domains that domain_tuning_info returned.")
    rows = [
        [name, row["knob"], *(_word(row[side]) for side in _SIDES), _names(row["drift"])]
        for name, domain in domains.items()
        for row in domain["knobs"]
        if _CHOSEN[knobs](row)
    ]
    return list(_aligned([["domain", "knob", *_SIDES, "drift"], *rows])) if rows else []


def _word(value: t.Any) -> str:
    return _NOTHING if value is None else worded(value)


def _names(drift: Iterable[Mapping[str, str]]) -> str:
    return ", ".join(one["name"] for one in drift) or _NOTHING


def _aligned(rows: list[list[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"tuning_table": tuning_table}
