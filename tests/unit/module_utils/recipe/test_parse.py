# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps, steps_argument_spec
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import KINDS

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com"

MINIMAL: dict[str, dict[str, t.Any]] = {
    "packages": {"install": ["nginx"]},
    "upload": {"src": "a.bin", "dest": "/opt/a.bin"},
    "write": {"dest": "/etc/motd", "content": "hello\n"},
    "run_command": {"command": "true"},
    "ssh_inject": {"user": "root", "key": KEY},
    "user": {"name": "ops"},
    "hostname": {"name": "golden"},
    "timezone": {"name": "Etc/UTC"},
    "systemd_unit": {"name": "ssh.service", "enabled": True},
    "disable_unattended_upgrades": {},
}


def minimal(name: str) -> dict[str, t.Any]:
    """Options that a kind takes: those above, or the first of its own example."""
    if name in MINIMAL:
        return MINIMAL[name]
    return next(step[name] for step in yaml.safe_load(KINDS[name].example) if name in step)


@pytest.mark.parametrize("name", KINDS)
def test_as_ansible_hands_them_to_the_module(name: str) -> None:
    """AnsibleModule fills in every other kind, and every option that was not given, with None."""
    validator = ArgumentSpecValidator({"steps": steps_argument_spec()})
    result = validator.validate({"steps": [{name: minimal(name)}]})
    assert result.error_messages == []
    (from_module,) = parse_steps(result.validated_parameters["steps"])
    (from_task,) = parse_steps([{name: minimal(name)}])
    assert from_module == from_task
    assert from_task.kind is KINDS[name]
    assert from_task.label == f"1 ({name})"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("packages", "steps is not a list"),
        (["packages"], "steps[0] (step 1) is not a dictionary. Write each step as"),
        (
            [{"hostname": {"name": "a"}}, {}],
            "steps[1] (step 2) has to have exactly one kind of step and has none. There",
        ),
        (
            [{"hostname": {"name": "a"}, "timezone": {"name": "UTC"}}],
            "steps[0] (step 1) has to have exactly one kind of step and has hostname, timezone. Write one step for",
        ),
        ([{"pakages": {}}], "steps[0].pakages (step 1) is not a kind of step; packages is. There are "),
        ([{"user": {"name": "a"}}] * 2 + [{"user": {"nmae": "a"}}], "steps[2].user.nmae (step 3) is not an option"),
        ([{"user": {"nmae": "a"}}], "; name is. There are name, comment, groups"),
        ([{"disable_unattended_upgrades": {"now": True}}], "It has none: write `disable_unattended_upgrades: {}`"),
        ([{"disable_unattended_upgrades": None}], "is not a dictionary. Write its options, such as"),
        ([{"hostname": "golden"}], "steps[0].hostname (step 1) is not a dictionary. Write its options, such as"),
        ([{"run_command": "ls -l"}], "Write its options, such as `run_command: {command: …}`"),
        ([{"packages": "nginx"}], "Write its options, such as `packages: {install: …}`"),
        (
            [{"run_command": {"command": "a", "secrets": ["A"]}}],
            "steps[0].run_command.secrets (step 1) has to be a dictionary. Write it as {NAME: value}",
        ),
        (
            [{"condition": {"version": ["12", "13"]}, "hostname": {"name": "a"}}],
            "version (step 1) has to be text and is a list. Write the comparisons in one text, such as '>=12,<14'",
        ),
        (
            [{"condition": {"version": ">13,<12"}, "hostname": {"name": "a"}}],
            "steps[0].condition (step 1): no version is as version says: '>13,<12'. Write comparisons that can",
        ),
        ([{"write": {"dest": "/a", "content": "a\0"}}], "steps[0].write (step 1): content has a NUL byte. Put a file"),
        ([{"hostname": {}}], "steps[0].hostname (step 1): missing required arguments: name"),
        ([{"write": {"dest": "/a", "content": {"a": [1]}}}], "content (step 1) is a dictionary and has to be text"),
        ([{"write": {"dest": "/a", "content": [1]}}], "steps[0].write.content (step 1) is a list and has to be text"),
        ([{"hostname": {"name": True}}], "name (step 1) is true or false and has to be text. Quote it"),
        ([{"packages": {"upgrade": "full", "install": ["a"]}}], "value of upgrade must be one of: no, yes, dist"),
        ([{"write": {"dest": "/a", "content": "", "mode": 420}}], 'Write it as mode: "0644"'),
        ([{"write": {"dest": "/a/", "content": ""}}], "dest has to be the path of a file and is the directory"),
        ([{"write": {"dest": "etc/motd", "content": ""}}], "dest has to be an absolute path and is 'etc/motd'"),
        ([{"write": {"dest": "/etc/a\nb", "content": ""}}], "dest has to be one line of text"),
        ([{"upload": {"src": "a", "dest": "/opt/../etc/"}}], "dest has a `..` in it"),
        ([{"packages": {"install": ["-y"]}}], "install has '-y', which is not the name of a package"),
        ([{"packages": {"install": ["nginx-"]}}], "install has 'nginx-', which is not the name of a package"),
        ([{"packages": {"install": ["a b"]}}], "which is not the name of a package"),
        ([{"packages": {"install": ["nginx"], "remove": ["nginx"]}}], "nginx cannot be both installed and removed"),
        ([{"packages": {}}], "there is nothing to do"),
        ([{"run_command": {"command": " "}}], "command has to be a shell command"),
        ([{"run_command": {"command": "a", "timeout": 0}}], "timeout has to be at least 1 second"),
        ([{"ssh_inject": {"user": "root", "key": "/root/.ssh/id.pub"}}], "key is not an OpenSSH public key"),
        ([{"ssh_inject": {"user": "root", "key": "-----BEGIN OPENSSH PRIVATE KEY-----"}}], "holds a private key"),
        ([{"ssh_inject": {"user": "-root", "key": KEY}}], "user is no name for an account: '-root'"),
        ([{"user": {"name": "ops", "comment": "a:b"}}], "comment must not have a colon"),
        (
            [{"user": {"name": "ops", "authorized_keys": [KEY + "\n" + KEY]}}],
            "authorized_keys has to be one line of text",
        ),
        ([{"hostname": {"name": "a_b"}}], "name is no host name"),
        ([{"hostname": {"name": "a" * 64 + ".b"}}], "name is no host name"),
        ([{"timezone": {"name": "../../etc/passwd"}}], "name is no time zone"),
        ([{"systemd_unit": {"name": "ssh"}}], "name is not the name of a unit"),
        ([{"systemd_unit": {"name": "ssh.service"}}], "there is nothing to do"),
        ([{"systemd_unit": {"name": "a.service", "content": "", "src": "b"}}], "mutually exclusive: content|src"),
        ([{"systemd_unit": {"name": "a.service", "content": "", "masked": True}}], "cannot be masked"),
        ([{"systemd_unit": {"name": "a.service", "enabled": True, "masked": True}}], "cannot be enabled"),
        ([{"systemd_unit": {"name": "a.service", "drop_in": "x.conf", "masked": False}}], "drop_in needs its content"),
        ([{"systemd_unit": {"name": "a.service", "drop_in": "../x.conf", "content": ""}}], "drop_in is not the name"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(written: t.Any, said: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_steps(written)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"user": {"name": "ops", "password_hash": "s3cret words"}}, "password_hash is not a hash"),
        ({"user": {"name": "ops", "password_hash": {"s3cret": 1}}}, "password_hash (step 1) is a dictionary"),
        ({"user": "name=ops password_hash=s3cret"}, "is not a dictionary"),
        ("user: name=ops password_hash=s3cret", "is not a dictionary"),
        ([{"user": {"password_hash": "s3cret"}}], "is not a dictionary"),
    ],
)
def test_a_secret_that_is_refused_is_not_shown(step: t.Any, said: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_steps([step])
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "option", "written", "canonical"),
    [
        ("write", "mode", "644", "0644"),
        ("write", "mode", "04755", "4755"),
        ("write", "dest", "//etc/./motd", "/etc/motd"),
        ("upload", "dest", "/opt/", "/opt/a.bin"),
        ("packages", "install", "nginx,curl", ["nginx", "curl"]),
        ("packages", "upgrade", False, "no"),
        ("packages", "upgrade", True, "yes"),
        ("ssh_inject", "key", f" {KEY}\n", KEY),
        ("ssh_inject", "key", f'from="10.0.0.0/8" {KEY}', f'from="10.0.0.0/8" {KEY}'),
    ],
)
def test_each_value_has_one_spelling(kind: str, option: str, written: t.Any, canonical: t.Any) -> None:
    (step,) = parse_steps([{kind: {**minimal(kind), option: written}}])
    assert step.options[option] == canonical


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ({"write": {"dest": "/etc/motd", "content": "a \ud83d"}}, "steps[0].write.content (step 1)"),
        ({"write": {"dest": "/etc/a", "secret_content": "\udfff", "in_image": True}}, "steps[0].write.secret_content"),
        ({"packages": {"install": ["a", "\udc7f"]}}, "steps[0].packages.install (step 1)"),
        ({"run_command": {"command": "true"}, "name": "\ud83d"}, "steps[0].name (step 1)"),
    ],
)
def test_half_a_character_is_refused(step: t.Any, place: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_steps([step])
    assert caught.value.cause.startswith(f"{place}")
    assert "has half a character" in caught.value.cause
    assert "\\U0001F600" in caught.value.way_out
    assert str(caught.value).encode()


def test_bytes_that_are_no_utf_8_are_no_half_characters() -> None:
    content = b"\x80\xff".decode("utf-8", "surrogateescape") + "\U0001f600"
    (step,) = parse_steps([{"write": {"dest": "/etc/motd", "content": content}}])
    assert step.options["content"] == content
