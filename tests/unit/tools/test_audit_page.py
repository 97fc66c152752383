# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the audit has every rule as it is."""

from __future__ import annotations

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.model import ALWAYS
from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.registry import RULES
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.audit import audit_info_spec
from ansible_collections.goldsmith.kvm.plugins.modules import image_audit_info
from ansible_collections.goldsmith.kvm.tests.tools.audit_page import PAGE, renewed


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert renewed(page) == page
    assert all(f"| `{name}` |" in page for name in RULES)


@pytest.mark.parametrize("name", list(RULES))
def test_a_rule_says_why_and_what_to_do(name: str) -> None:
    rule = RULES[name]
    assert rule.description.strip().endswith(".")
    assert rule.way_out and not rule.way_out.endswith(".")
    assert "|" not in rule.description + rule.way_out


def test_the_module_names_the_rules_that_always_count() -> None:
    assert list(audit_info_spec()["rules"]["default"]) == list(RULES)
    always = [f"V({name})" for name, rule in RULES.items() if rule.scope == ALWAYS]
    assert f"{', '.join(always[:-1])} and {always[-1]} count in any case" in " ".join(
        image_audit_info.DOCUMENTATION.split()
    )
