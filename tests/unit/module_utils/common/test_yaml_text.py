# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.yaml_text import document, yaml_of

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: "." in repr(number))
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(value=VALUES)
@example({"a": "\x85\u2028\ufeff\x7f\ufffe\U0001f600\x00\t\n", "yes": "no", "1": "0x1", "~": "2026-01-31"})
@example({"": [], "a": {}, "b": [[]]})
@example({"a": "\ud800"})
def test_json_is_read_as_yaml_that_says_the_same(value: t.Any) -> None:
    text = yaml_of(document("config", value), "# Some words.")
    assert yaml.safe_load(text) == value
    assert text.startswith("# Some words.\n")


def test_what_shell_looks_for_stands_bare_on_one_line() -> None:
    seed = {"user-data": "#cloud-config\na: 1", "meta-data": {}, "yes": [{"a": 1}], "a b": {"off": None}}
    config = {"datasource_list": ["NoCloud", "None"], "datasource": {"NoCloud": seed}}
    assert yaml_of(config, "# Words.").splitlines() == [
        "# Words.",
        "datasource:",
        "  NoCloud:",
        '    "a b":',
        '      "off": null',
        "    meta-data: {}",
        '    user-data: "#cloud-config\\na: 1"',
        '    "yes": [{"a": 1}]',
        'datasource_list: ["NoCloud", "None"]',
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a: [!!binary aHVzaA==]",
            "config.a[0] is neither .*, but bytes. Give them as text in base64, .*encoding: b64",
        ),
        ("a: {b: 2026-01-31}", "config.a.b is neither .*, but a date. Quote it"),
        ("a: 2026-01-31 12:00:00", "config.a is neither .*, but a date. Quote it"),
        ("a: .inf", "config.a is neither .*, but a float. Quote it"),
        ("a: !!set {hush}", "config.a is neither .*, but of the type set"),
        ("{!!binary aHVzaA==: 1}", "config has a key that is no text, but bytes. Give"),
        ("{a: {1.5: hush}}", "config.a has a key that is no text, but a float. Quote it"),
        ("{yes: hush}", "config has a key that is no text, but true or false. Quote it"),
        ("{~: hush}", "config has a key that is no text, but null. Quote it"),
    ],
)
def test_what_json_cannot_say_is_named_by_place_and_kind_alone(text: str, said: str) -> None:
    with pytest.raises(BadRequestError, match=said.replace("[0]", r"\[0\]")) as refused:
        document("config", yaml.safe_load(text))
    for value in ("hush", "aHVzaA", "12:00", "1.5", "inf"):
        assert value not in str(refused.value)
