# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions, wishes, and what comes of them: in.xml, wishes.yml → out.xml, changes.yml.

A case with live.xml is a running domain, one without in.xml a transient one. ``--regenerate`` writes the files anew:
read what it changed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from lxml import etree

from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.model import DomainPlan
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.plan import plan_domain

from .sample import GOLDEN, found, host, wishes

SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")
CASES = sorted(path.name for path in GOLDEN.iterdir())


def read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


class Indented(yaml.SafeDumper):
    """As yamllint wants lists to be written."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def planned(case: str, persistent: str | None, live: str | None) -> DomainPlan:
    return plan_domain(found(persistent, live), wishes((GOLDEN / case / "wishes.yml").read_text()), host())


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, pytestconfig: pytest.Config) -> None:
    directory = GOLDEN / case
    persistent, live = read(directory / "in.xml"), read(directory / "live.xml")
    plan = planned(case, persistent, live)
    made = {"changes.yml": yaml.dump(plan.result(), Dumper=Indented, sort_keys=False, width=110)}
    if plan.document is not None:
        made["out.xml"] = plan.document.text() + "\n"
    if pytestconfig.getoption("--regenerate", default=False):
        for name, text in made.items():
            (directory / name).write_text(text)
    expected = {name: text for name in ("changes.yml", "out.xml") if (text := read(directory / name)) is not None}
    assert made == expected


@pytest.mark.parametrize("case", CASES)
def test_a_second_time_changes_nothing(case: str) -> None:
    directory = GOLDEN / case
    after = read(directory / "out.xml") or read(directory / "in.xml")
    if after is None:
        pytest.skip("a transient domain has no definition to be changed")
    again = planned(case, after, None)
    assert not again.changed
    assert again.document is None


@pytest.mark.skipif(not SCHEMA.exists(), reason="libvirt's schemas are not installed (libvirt0)")
def test_every_definition_fits_libvirt_s_own_schema() -> None:
    schema = etree.RelaxNG(file=str(SCHEMA))
    for path in sorted(GOLDEN.glob("*/out.xml")):
        document = etree.parse(str(path))
        assert schema.validate(document), f"{path}: {schema.error_log}"
