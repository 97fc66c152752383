# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import typing as t

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.seed import Seed, header_of, seed_from
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.yaml_text import parse_yaml

SECRET = "hunter2"


def made(**options: t.Any) -> Seed:
    return seed_from(options, "web-1", parse_yaml)


def test_nothing_but_a_name() -> None:
    assert made().files() == {
        "meta-data": b'# By goldsmith.kvm.\ninstance-id: "web-1"\n',
        "user-data": b"#cloud-config\n{}\n",
    }


def test_dictionaries() -> None:
    seed = made(
        user_data={"users": [{"name": "ops"}], "timezone": "UTC"},
        meta_data={"cloud-name": "here"},
        instance_id=7,
        local_hostname="web-1.example.com",
        network_config={"network": {"version": 2, "ethernets": {"eth0": {"dhcp4": True}}}},
        vendor_data={"ntp": {"enabled": False}},
    )
    assert {name: yaml.safe_load(content) for name, content in seed.files().items()} == {
        "user-data": {"users": [{"name": "ops"}], "timezone": "UTC"},
        "meta-data": {"cloud-name": "here", "instance-id": "7", "local-hostname": "web-1.example.com"},
        "network-config": {"version": 2, "ethernets": {"eth0": {"dhcp4": True}}},
        "vendor-data": {"ntp": {"enabled": False}},
    }
    assert seed.user_data.startswith(b"#cloud-config\n")
    assert seed.vendor_data and seed.vendor_data.startswith(b"#cloud-config\n")


# What each begins with is what cloudinit.handlers.type_from_starts_with and cloudinit.user_data.convert_string ask for.
TEXTS = [
    ("#cloud-config\npackages: [curl]", "#cloud-config"),
    ("\n  #Cloud-Config\na: 1", "#cloud-config"),
    ("#cloud-config\n", "#cloud-config"),
    ("#!/bin/sh\ntrue", "#!"),
    ("#include\nhttps://example.com/a", "#include"),
    ("#include-once\nhttps://example.com/a", "#include-once"),
    # cloud-init writes a script whose first line ends in CR LF with the line ends of Unix.
    ("#!/bin/sh\r\ntrue\r\n", "#!"),
    ("#cloud-boothook\n#!/bin/sh\ntrue", "#cloud-boothook"),
    ("#cloud-config-archive\n- {type: text/cloud-config, content: 'a: 1'}", "#cloud-config-archive"),
    ('#cloud-config-jsonp\n[{"op": "add", "path": "/a", "value": 1}]', "#cloud-config-jsonp"),
    ("#part-handler\ndef list_types(): return []", "#part-handler"),
    ("## template: jinja\n#cloud-config\nfqdn: {{ v1.instance_id }}: {%", "## template: jinja"),
    ("## template: jinja\n\n#!/bin/sh\ntrue", "## template: jinja"),
    ("## template: jinja\n{% if v1.region %}#cloud-config{% endif %}", "## template: jinja"),
    ('Content-Type: multipart/mixed; boundary="b"\nMIME-Version: 1.0\n\n--b--', "MIME-Version:"),
]


@pytest.mark.parametrize(("text", "header"), TEXTS)
def test_texts_that_cloud_init_knows(text: str, header: str) -> None:
    assert header_of(text) == header
    expected = text.encode() if text.endswith("\n") else f"{text}\n".encode()
    assert made(user_data=text).user_data == expected
    assert made(vendor_data=text).vendor_data == expected


REFUSED: list[tuple[dict[str, t.Any], str]] = [
    ({"user_data": "packages: [curl]"}, "user_data does not begin with a line that tells cloud-init what it is"),
    ({"vendor_data": "packages: [curl]"}, "vendor_data does not begin with a line that tells"),
    ({"user_data": "# cloud-config\na: 1"}, "but with something like it, which cloud-init ignores"),
    ({"user_data": "\ufeff#cloud-config\na: 1"}, "without a blank or a byte order mark"),
    ({"user_data": "#cloud_config\na: 1"}, "but with something like it"),
    ({"user_data": ""}, "user_data is empty. Leave it out"),
    ({"user_data": ["a"]}, "user_data is neither a dictionary nor a text"),
    ({"user_data": 5}, "user_data is neither a dictionary nor a text"),
    ({"user_data": "\n#!/bin/sh\ntrue"}, "user_data is a script with something before its #!"),
    ({"user_data": "## template: jinja\nhostname: x"}, "user_data has no line behind ## template: jinja that tells"),
    ({"user_data": "## template: jinja\n#include\nhttps://example.com/a"}, "has no line behind ## template: jinja"),
    (
        {"user_data": f"#cloud-config\nusers: [{{name: x, passwd: {SECRET}}}\nb: 1\n"},
        "no YAML: line 3, column 1: expected ',' or ']', but got",
    ),
    ({"user_data": f"#cloud-config\n- {SECRET}\n"}, "user_data has to be a dictionary of YAML"),
    ({"user_data": f"#cloud-config\na: *{SECRET}\n"}, "line 2, column 4: found undefined alias …. Correct it there"),
    ({"user_data": f"#cloud-config\na: !{SECRET} b\n"}, "could not determine a constructor for the tag …"),
    ({"user_data": f"#cloud-config\na: '{SECRET}\n"}, "line 3, column 1: found unexpected end of stream"),
    ({"user_data": f"#cloud-config\na: 1\n\tb: {SECRET}\n"}, "line 3, column 1: found character '\\t' that cannot st"),
    ({"user_data": f"#cloud-config\na: {SECRET}\0\n"}, "line 2, column 11: the character U+0000 is not allowed"),
    ({"user_data": "#cloud-config\na: 2026-13-01\n"}, "a value in it, perhaps a date, is none"),
    ({"user_data": "#cloud-config-archive\na: 1"}, "user_data has to be a list of YAML"),
    ({"user_data": "#!/bin/sh\necho \ud800"}, "user_data has half a character"),
    ({"user_data": {"a": [SECRET.encode()]}}, "user_data.a[0] is neither text nor number"),
    ({"user_data": {"expire": datetime.date(2026, 1, 31)}}, "YAML reads 2026-01-31 as a date"),
    ({"meta_data": "a: [", "user_data": {}}, "meta_data is no YAML: line 1, column 5"),
    ({"meta_data": "- a"}, "meta_data has to be a dictionary of YAML"),
    ({"meta_data": "a: 1"}, "would take all such guests for one. Write `instance-id: web-1` or the like into it"),
    ({"meta_data": "instance-id: ''"}, "the instance id is empty"),
    ({"meta_data": "instance-id: yes"}, "the instance id is no text of one line"),
    ({"meta_data": "{instance-id: a, local-hostname: a_b}"}, "the local hostname is no name of a host"),
    ({"instance_id": ["a"]}, "the instance id is no text of one line"),
    ({"instance_id": "a\nb"}, "the instance id is no text of one line"),
    ({"instance_id": True}, "quote what YAML takes for something else, such as yes"),
    ({"local_hostname": "a" * 64}, "up to 63 between two points"),
    ({"local_hostname": ".".join(["a" * 63] * 4)}, "the local hostname is no name of a host"),
    ({"local_hostname": "a..b"}, "the local hostname is no name of a host"),
    ({"local_hostname": "a-.b"}, "the local hostname is no name of a host"),
    ({"local_hostname": True}, "the local hostname is no name of a host"),
    ({"meta_data": "a: 1", "local_hostname": "x"}, "local_hostname cannot stand beside a meta_data that is a text"),
    ({"meta_data": {"instance-id": "a"}, "instance_id": "b"}, "instance_id and meta_data.instance-id are both given"),
    ({"meta_data": {"instance-id": ""}}, "the instance id is empty"),
    ({"instance_id": " "}, "the instance id is empty"),
    ({"local_hostname": "web_1"}, "the local hostname is no name of a host. Use letters"),
    ({"local_hostname": "-web"}, "the local hostname is no name of a host"),
    ({"meta_data": {"local-hostname": f"{SECRET}!"}}, "the local hostname is no name of a host"),
    ({"network_config": {"ethernets": {}}}, "network_config has no version"),
    ({"network_config": {"version": "2"}}, "version is neither 1 nor 2. Give version: 2, without quotes"),
    ({"network_config": {"version": SECRET}}, "network_config.version is neither 1 nor 2"),
    ({"network_config": {"version": 2.0}}, "network_config.version is neither 1 nor 2"),
    ({"network_config": {"version": True}}, "network_config.version is neither 1 nor 2"),
    ({"network_config": {"version": 1}}, "network_config has version 1, and no list config"),
    ({"network_config": "version: 2\nethernet: {}"}, "network_config.ethernet is not a key of netplan; ethernets is"),
    ({"network_config": "network: {version: 2}"}, "network_config has `network:` around all"),
    ({"network_config": "ethernets: {}"}, "network_config has no version"),
    ({"network_config": "version: 2\n ethernets: {}"}, "network_config is no YAML: line 2, column 11"),
    ({"network_config": "[2]"}, "network_config has to be a dictionary"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED)
def test_what_cloud_init_would_ignore_is_refused(options: dict[str, t.Any], said: str) -> None:
    with pytest.raises(BadRequestError) as refusal:
        made(**options)
    assert said in str(refusal.value)
    assert refusal.value.way_out
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "options",
    [
        {"network_config": {"config": "disabled"}},
        {"network_config": "config: disabled\n"},
        {"network_config": {"version": 1, "config": []}},
        {"network_config": '{"version": 2}'},
        {"meta_data": "instance-id: i-1\n"},
        {"meta_data": '{"instance-id": "i-1"}'},
        {"meta_data": {"instance-id": "b"}, "instance_id": "b"},
        {"meta_data": "seedfrom: https://example.com/\n"},
    ],
)
def test_other_forms(options: dict[str, t.Any]) -> None:
    ((option, value),) = ((name, options[name]) for name in ("network_config", "meta_data") if name in options)
    found = getattr(made(**options), option)
    assert yaml.safe_load(found) == (value if isinstance(value, dict) else yaml.safe_load(value))


def test_a_module_without_a_parser_takes_what_the_controller_has_checked() -> None:
    options = {"user_data": {"a": ["b"]}, "network_config": {"version": 2}, "instance_id": "i"}
    texts = {name.replace("-", "_"): content.decode() for name, content in made(**options).files().items()}
    assert seed_from(texts, "other") == made(**options)


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    header=st.sampled_from(["", "#cloud-config\n", "#cloud-config\na: ", "#cloud-config\n- "]),
)
def test_any_text_is_taken_as_it_is_or_refused(text: str, header: str) -> None:
    """No text is changed but for the newline at its end, none that cloud-init cannot load gets through."""
    whole = header + text
    try:
        content = made(user_data=whole).user_data
    except BadRequestError:
        return
    assert content.decode().removesuffix("\n") == whole.removesuffix("\n")
    if header_of(whole) == "#cloud-config":
        assert isinstance(yaml.safe_load(content) or {}, dict)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab:# \n", max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), VALUES, max_size=3))
def test_any_dictionary_comes_out_as_it_went_in(value: dict[str, t.Any]) -> None:
    seed = made(user_data=value)
    assert yaml.safe_load(seed.user_data) == value
    assert seed == made(user_data=dict(reversed(list(value.items()))))
