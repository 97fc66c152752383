# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.seed_schema import without_values

# What cloud-init 22.4.2 (Debian 12) and 25.1.4 (Debian 13) said, and what of that may be shown.
SAID = [
    (
        "packagez: Additional properties are not allowed ('packagez' was unexpected), "
        "users.0.passwd: 12345 is not of type 'string'",
        "packagez: Additional properties are not allowed ('packagez' was unexpected), "
        "users.0.passwd: … is not of type 'string'",
    ),
    (
        "users.0: {'name': 'x', 'passwd': 12345, 'sudoo': 'a'} is not valid under any of the given schemas",
        "users.0: {…: …, …: …, …: …} is not valid under any of the given schemas",
    ),
    (
        "ntp.servers: 'x, y: z' is not of type 'array', write_files.0.content: {'a': 'hush'} is not of type 'string', "
        "write_files.0.path: 5 is not of type 'string'",
        "ntp.servers: … is not of type 'array', write_files.0.content: {…: …} is not of type 'string', "
        "write_files.0.path: … is not of type 'string'",
    ),
    (
        "config.0: 'name' is a required property, config.0: Additional properties are not allowed "
        "('nmae', 'x' were unexpected), config.0: {'nmae': 'eth0'} is not valid under any of the given schemas",
        "config.0: 'name' is a required property, config.0: Additional properties are not allowed "
        "('nmae', 'x' were unexpected), config.0: {…: …} is not valid under any of the given schemas",
    ),
    (
        "ssh_pwauth: \"it's\" is not of type 'boolean', 'string', power_state.mode: 'of' is not one of "
        "['poweroff', 'reboot', 'halt'], power_state.delay: 'a' does not match '^\\\\+?[0-9]+$'",
        "ssh_pwauth: … is not of type 'boolean', 'string', power_state.mode: … is not one of "
        "['poweroff', 'reboot', 'halt'], power_state.delay: … does not match '^\\\\+?[0-9]+$'",
    ),
]


@pytest.mark.parametrize(("message", "shown"), SAID)
def test_values_are_hidden_and_keys_are_shown(message: str, shown: str) -> None:
    assert without_values(message) == shown


def test_a_quote_too_many_hides_all() -> None:
    assert "hush" not in without_values("a: don't, b: 'hush' is not of type 'string'")


SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "list": {"type": "array", "items": {"type": "integer", "minimum": 5}, "maxItems": 2, "uniqueItems": True},
        "mode": {"enum": ["on", "off"]},
        "name": {"type": "string", "pattern": "^[0-9]+$", "maxLength": 3},
        "user": {"anyOf": [{"type": "null"}, {"type": "object", "required": ["name"]}]},
    },
}
SECRETS = st.text(st.sampled_from("'\"\\,: {}[]()\nX7"), max_size=12).map(lambda text: f"{text}SECRET{text}")
VALUES = st.recursive(
    SECRETS | st.just(918273645) | st.just(-918273645.5) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "x"]), inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*SCHEMA["properties"], "more"]), VALUES, max_size=3))
def test_no_value_of_any_document_is_shown(config: dict[str, t.Any]) -> None:
    """Messages of the library that cloud-init uses, put together as cloud-init does."""
    errors = jsonschema.Draft4Validator(SCHEMA).iter_errors(config)
    message = ", ".join(f"{'.'.join(str(part) for part in error.path)}: {error.message}" for error in errors)
    shown = without_values(message)
    assert "SECRET" not in shown
    assert "918273645" not in shown
    if "more" in config:
        assert "'more' was unexpected" in shown
