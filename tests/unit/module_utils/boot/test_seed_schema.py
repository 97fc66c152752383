# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.seed import Seed
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.seed_schema import (
    Checked,
    check_schema,
    without_values,
)
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

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


# In place of a cloud-init that has a schema for networks, which that of Debian 12, in the integration tests, has not.
# It says what 25.1.4 has said, writes down what it is asked, and keeps the file.
STAND_IN = r"""#!/bin/sh
echo "$*" >>"$SEEN/asked"
case $* in
*--help) echo "  --schema-type {$KINDS}" ;;
*" --schema-type network-config")
    cp "$3" "$SEEN/network-config"
    echo "$ANSWER" >&2
    exit 1 ;;
*) echo "Valid schema $3" ;;
esac
"""
SEED = Seed(b"#cloud-config\n{}\n", b"instance-id: a\n", b"version: 1\nconfig: [{mtu: hush}]\n", b"#!/bin/sh\n")
WRONG = "config.0: 'name' is a required property, config.0.mtu: 'hush' is not of type 'integer'"
SHOWN = "config.0: 'name' is a required property, config.0.mtu: … is not of type 'integer'"


@pytest.mark.parametrize(
    ("kinds", "answer", "checked"),
    [
        (
            "cloud-config,network-config",
            f"Invalid network-config\nError: Cloud config schema errors: {WRONG}\n",
            Checked(("network-config", "user-data"), {"network-config": SHOWN}),
        ),
        (
            "cloud-config,network-config",
            "Skipping network-config schema validation. No network schema for version: 2",
            Checked(("user-data",), {}),
        ),
        ("cloud-config", "", Checked(("user-data",), {})),
    ],
    ids=["wrong", "skipped", "unknown"],
)
def test_a_network_is_checked_where_cloud_init_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: str, answer: str, checked: Checked
) -> None:
    program = tmp_path / "cloud-init"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    for name, value in {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SEEN": str(tmp_path),
        "KINDS": kinds,
        "ANSWER": answer,
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "scratch").mkdir()

    assert check_schema(LocalHost(str(tmp_path / "scratch")), SEED) == checked

    asked = [line.split() for line in (tmp_path / "asked").read_text().splitlines()]
    assert asked.pop(0) == ["schema", "--help"]
    assert [words[:2] for words in asked] == [["schema", "--config-file"]] * len(asked)
    if answer:
        assert asked.pop(0)[3:] == ["--schema-type", "network-config"]
        assert (tmp_path / "network-config").read_bytes() == SEED.network_config
    assert [words[3:] for words in asked] == [[]]
    assert os.listdir(tmp_path / "scratch") == []
