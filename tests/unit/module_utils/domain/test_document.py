# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.document import Document, Known, Step

from .sample import xml

TAGS = st.sampled_from(["memtune", "a", "b"])
LAST = st.one_of(TAGS, st.builds(Known, TAGS, st.just("id"), st.sampled_from("01")))
STEPS = st.builds(lambda steps, last: [*steps, last], st.lists(TAGS, max_size=3), LAST)


def metadata(text: str) -> str:
    found = re.search(r"<metadata>.*</metadata>", text, re.DOTALL)
    assert found is not None
    return found[0]


def test_what_is_not_touched_stays_as_it_was() -> None:
    text = xml().strip()
    assert Document.parse(text).text() == text


@given(STEPS)
def test_what_is_made_and_taken_away_leaves_nothing(steps: list[Step]) -> None:
    text = xml().strip()
    document = Document.parse(text)
    document.ensure(*steps)
    assert document.find(*steps) is not None
    document.remove(*steps)
    assert document.text() == text


def test_elements_are_indented_as_libvirt_does() -> None:
    document = Document.parse("<domain>\n  <name>a</name>\n</domain>")
    document.ensure("cputune", Known("vcpupin", "vcpu", "0")).set("cpuset", "1")
    document.ensure("cputune", Known("vcpupin", "vcpu", "1"))
    assert document.text() == (
        '<domain>\n  <name>a</name>\n  <cputune>\n    <vcpupin vcpu="0" cpuset="1"/>\n    <vcpupin vcpu="1"/>\n'
        "  </cputune>\n</domain>"
    )


def test_metadata_survive_a_change_byte_for_byte() -> None:
    document = Document.parse(xml())
    document.ensure("memoryBacking", "locked")
    document.remove("metadata", "nothing")
    assert metadata(document.text()) == metadata(xml())
    assert "<![CDATA[" in document.text() and "<!-- a comment" in document.text()


def test_no_value_can_bring_xml_along() -> None:
    document = Document.parse(xml())
    value = '"/><x a="&lt;'
    document.ensure("cputune", "emulatorpin").set("cpuset", value)
    again = Document.parse(document.text())
    assert again.attribute("cpuset", "cputune", "emulatorpin") == value
    assert again.find("cputune", "x") is None


@pytest.mark.parametrize("text", ["", "<domain>", "no xml", "<domain/><domain/>", "<network/>"])
def test_what_is_no_domain(text: str) -> None:
    with pytest.raises(BadRequestError, match="the definition of a domain is"):
        Document.parse(text)


def test_entities_of_files_are_not_read() -> None:
    text = '<!DOCTYPE domain [<!ENTITY x SYSTEM "file:///etc/passwd">]><domain><name>&x;</name></domain>'
    assert "root:" not in Document.parse(text).text()
