# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps for the system: what they take, what they refuse, and that no value is read as something else."""

from __future__ import annotations

import datetime
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.drop_in import drop_in_name
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Run
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.values import absolute_path

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB o'neil; id"
NETWORK = {"network": {"version": 2}}


def rendered(kind: str, **options: t.Any) -> Run:
    (step,) = parse_steps([{kind: options}])
    (run,) = step.operations({"src": "/store/1"} if "src" in options else {}).operations
    assert isinstance(run, Run)
    return run


EVERY: list[tuple[str, dict[str, t.Any]]] = [
    ("firstboot", {"name": "a", "script": "true"}),
    ("firstboot", {"name": "a", "src": "files/a"}),
    ("firstboot_command", {"command": "true"}),
    ("firstboot_install", {"packages": ["g++", "nginx=1.24.0-2"], "recommends": True}),
    ("sysctl", {"name": "90-a", "settings": {"vm.swappiness": 1}}),
    ("kernel_modules", {"name": "a", "load": ["loop"], "disable": ["cramfs"], "options": {"kvm_intel": "nested=1"}}),
    ("locale", {"name": "de_DE@euro", "generate": ["en_US.utf8"]}),
    ("locale", {"name": "C"}),
    ("ntp", {"servers": ["a.example.com", "fe80::1%eth0"], "pools": ["b"], "fallback": ["192.0.2.1"]}),
    ("cloud_config", {"name": "95-a", "config": {"a": 1}, "datasource_list": ["None"], "ssh_authorized_keys": [KEY]}),
    ("cloud_config", {"name": "95-a", "content": "a: 1"}),
    ("cloud_config", {"name": "95-a", "secret_content": "a: 1", "in_image": True}),
    ("netplan", {"name": "60-a", "config": NETWORK}),
    ("netplan", {"name": "60-a", "content": "network: {}"}),
    ("group", {"name": "ops", "gid": 2000, "system": True}),
    ("systemd_unit", {"name": "a@x\\x2d.service", "src": "files/a", "enabled": True, "masked": False}),
    ("systemd_unit", {"name": "a.timer", "scope": "user", "enabled": False, "masked": True}),
    ("user", {"name": "ops", "group": "adm", "groups": ["sudo"], "home": "/srv/it's", "password_locked": True}),
]


@pytest.mark.parametrize(("kind", "options"), EVERY)
def test_scripts_are_posix_shell(kind: str, options: dict[str, t.Any]) -> None:
    run = rendered(kind, **options)
    shell = [text for text in run.contents.values() if text.startswith("#!/bin/sh")]
    for script in (run.script, *shell):
        # A loop over the one package or locale of a step; a variable that is set by an engine.
        argv = ["shellcheck", "--shell=sh", "--severity=warning", "--exclude=SC2043,SC2154", "-"]
        subprocess.run(argv, input=script, text=True, check=True)


REFUSED: list[tuple[str, dict[str, t.Any], str]] = [
    ("firstboot", {"name": "a", "script": " \n"}, "script has to be a script"),
    ("firstboot", {"name": "a", "script": "a\0"}, "script has to be a script"),
    ("firstboot", {"name": "a"}, "one of the following is required: script, src"),
    ("firstboot", {"name": "../a", "script": "true"}, "name is no name for a script"),
    ("firstboot", {"name": "a b", "script": "true"}, "name is no name for a script"),
    ("firstboot", {"name": "a\n", "script": "true"}, "name is no name for a script"),
    ("firstboot", {"name": "-a", "script": "true"}, "name is no name for a script"),
    ("firstboot_command", {"command": "\n"}, "command has to be a shell command"),
    ("firstboot_install", {"packages": []}, "packages is empty"),
    ("firstboot_install", {"packages": ["-y"]}, "packages has '-y'"),
    ("firstboot_install", {"packages": ["a;b"]}, "packages has 'a;b'"),
    ("sysctl", {"name": "90-a", "settings": {}}, "settings is empty"),
    ("sysctl", {"name": "90-a.conf", "settings": {"vm.swappiness": 1}}, "'90-a.conf', and .conf is added"),
    ("sysctl", {"name": "/etc/a", "settings": {"vm.swappiness": 1}}, "name is no name for a file"),
    ("sysctl", {"name": "a", "settings": {"swappiness": 1}}, "'swappiness', which is not the name of a setting"),
    ("sysctl", {"name": "a", "settings": {"vm.swap piness": 1}}, "is not the name of a setting"),
    ("sysctl", {"name": "a", "settings": {"vm.x": True}}, "vm.x is true or false and has to be a number"),
    ("sysctl", {"name": "a", "settings": {"vm.x": "1\nvm.y = 2"}}, "vm.x has to be one line of text"),
    ("sysctl", {"name": "a", "settings": {"vm.x": [4, 4]}}, "vm.x has to be a number or text"),
    ("sysctl", {"name": "a", "settings": {"vm.x": ""}}, "vm.x has to be one line of text"),
    ("kernel_modules", {"name": "a"}, "there is nothing to do"),
    ("kernel_modules", {"name": "a", "load": ["loop.ko"]}, "'loop.ko', which is not the name of a module"),
    ("kernel_modules", {"name": "a", "load": ["-a"]}, "'-a', which is not the name of a module"),
    ("kernel_modules", {"name": "a", "load": ["usb_storage"], "disable": ["usb-storage"]}, "both loaded and disabled"),
    ("kernel_modules", {"name": "a", "options": {"a": "b\nc"}}, "options of a has to be one line"),
    ("kernel_modules", {"name": "a", "options": {"a": 1}}, "the options of a are not text"),
    ("kernel_modules", {"name": "a", "options": {"a": "b\\"}}, "end in a backslash"),
    ("locale", {}, "there is nothing to do"),
    ("locale", {"name": "en US"}, "name is not the name of a locale"),
    ("locale", {"generate": ["$(id)"]}, "generate is not the name of a locale"),
    ("ntp", {}, "there is nothing to do"),
    ("ntp", {"servers": ["-a"]}, "servers has '-a'"),
    ("ntp", {"servers": ["a b"]}, "servers has 'a b'"),
    ("ntp", {"servers": ["a\nb"]}, "servers has"),
    ("cloud_config", {"name": "95-a"}, "there is nothing to do"),
    ("cloud_config", {"name": "95-a", "secret_content": "a: 1"}, "secret_content would stay in the image"),
    ("cloud_config", {"name": "95-a", "content": " "}, "content is empty"),
    ("cloud_config", {"name": "95-a", "content": "a", "config": {}}, "mutually exclusive"),
    ("cloud_config", {"name": "95-a", "content": "a: 1", "datasource_list": ["None"]}, "cannot stand beside content"),
    ("cloud_config", {"name": "95-a", "config": {"datasource_list": []}, "datasource_list": ["None"]}, "given twice"),
    ("cloud_config", {"name": "95-a", "datasource_list": ["nocloud"]}, "datasource of cloud-init; NoCloud is"),
    ("cloud_config", {"name": "95-a", "datasource_list": ["OpenStak"]}, "datasource of cloud-init; OpenStack is"),
    ("cloud_config", {"name": "95-a", "ssh_authorized_keys": ["~/.ssh/id.pub"]}, "is not an OpenSSH public key"),
    (
        "cloud_config",
        {"name": "95-a", "config": {"a": [datetime.date(2026, 1, 31)]}},
        "config.a[0] is neither text nor",
    ),
    ("netplan", {"name": "60-a"}, "one of the following is required"),
    ("netplan", {"name": "60-a", "config": {"version": 2}}, "config has to have the one key network"),
    ("netplan", {"name": "60-a", "config": {"network": []}}, "config has to have the one key network"),
    ("netplan", {"name": "60-a", "content": ""}, "content is empty"),
    ("group", {"name": "-a"}, "name is no name for an account"),
    ("group", {"name": "a", "gid": -1}, "gid has to be from 0"),
    ("systemd_unit", {"name": "a", "enabled": True}, "name is not the name of a unit"),
    ("systemd_unit", {"name": "a'b.service", "enabled": True}, "name is not the name of a unit"),
    ("systemd_unit", {"name": "../a.service", "enabled": True}, "name is not the name of a unit"),
    ("systemd_unit", {"name": "a.service"}, "there is nothing to do"),
    ("systemd_unit", {"name": "a.service", "enabled": True, "masked": True}, "a masked unit cannot be enabled"),
    ("systemd_unit", {"name": "a.service", "drop_in": "a.conf"}, "drop_in needs its content"),
    ("systemd_unit", {"name": "a.service", "drop_in": "a", "content": ""}, "drop_in is not the name of a file"),
    ("user", {"name": "a", "password_hash": "!"}, "Write password_locked: true"),
    ("user", {"name": "a", "password_hash": "*"}, "Write password_locked: true"),
    ("user", {"name": "a", "password_hash": "secret"}, "password_hash is not a hash of crypt(5)"),
    ("user", {"name": "a", "password": "a\nroot:b"}, "password is empty or not one line"),
    ("user", {"name": "a", "password": ""}, "password is empty or not one line"),
    ("user", {"name": "a", "password": "b", "password_hash": "$6$a$b"}, "mutually exclusive"),
    ("user", {"name": "a", "home": "/srv/a:b"}, "home must not have a colon"),
    ("user", {"name": "a", "home": "srv"}, "home has to be an absolute path"),
    ("user", {"name": "a", "uid": 2**32}, "uid has to be from 0"),
    ("user", {"name": "a", "comment": "a:b"}, "comment must not have a colon"),
]


@pytest.mark.parametrize(("kind", "options", "said"), REFUSED)
def test_what_is_refused(kind: str, options: dict[str, t.Any], said: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_steps([{kind: options}])
    assert said in str(caught.value)
    assert f"steps[0].{kind} (step 1)" in str(caught.value)


@pytest.mark.parametrize("secret", ["sesame", "$6$"])
def test_no_refusal_shows_a_password(secret: str) -> None:
    for options in ({"password": f"{secret}\n"}, {"password_hash": secret}):
        with pytest.raises(BadRequestError) as caught:
            parse_steps([{"user": {"name": "a", **options}}])
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("given_options", "update"),
    [
        ({"load": ["loop"]}, False),
        ({"disable": ["cramfs"]}, True),
        ({"blacklist": ["cramfs"]}, True),
        ({"options": {"loop": "max_loop=9"}}, True),
        ({"options": {"loop": "max_loop=9"}, "update_initramfs": False}, False),
        ({"load": ["loop"], "update_initramfs": True}, True),
    ],
)
def test_when_initial_ram_disks_are_made_again(given_options: dict[str, t.Any], update: bool) -> None:
    assert ("update-initramfs -u -k all" in rendered("kernel_modules", name="a", **given_options).script) == update


@pytest.mark.parametrize(
    ("written", "name"), [("en_US.utf8", "en_US.UTF-8"), ("C.utf-8", "C.UTF-8"), ("POSIX", "POSIX")]
)
def test_a_locale_has_one_spelling(written: str, name: str) -> None:
    assert rendered("locale", name=written).contents == {"lang": f"LANG={name}\n"}


def test_settings_do_not_depend_on_the_order_they_are_written_in() -> None:
    one = {"vm.swappiness": 1, "kernel.printk": " 4 4 1 7 "}
    two = dict(reversed(list(one.items())))
    assert rendered("sysctl", name="a", settings=one) == rendered("sysctl", name="a", settings=two)
    assert (
        rendered("sysctl", name="a", settings=one).contents["settings"]
        == "kernel.printk = 4 4 1 7\nvm.swappiness = 1\n"
    )


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(name=NAMES)
@example("a.conf")
@example("..")
def test_the_name_of_a_drop_in_is_one_part_of_a_path_and_no_shell(name: str) -> None:
    try:
        drop_in_name("name", name)
    except BadRequestError:
        return
    assert "/" not in name
    assert name not in (".", "..")
    assert subprocess.run(["sh", "-c", f"printf %s {name}"], capture_output=True, check=True).stdout == name.encode()


@settings(max_examples=20, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30).filter(str.strip),
    home=st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":."), min_size=1, max_size=20),
)
def test_no_value_is_read_as_shell(text: str, home: str) -> None:
    """Texts are handed over beside the script; what stands in it is quoted."""
    for kind, options in (
        ("firstboot", {"name": "a", "script": text}),
        ("cloud_config", {"name": "95-a", "config": {"a": text}}),
        ("cloud_config", {"name": "95-a", "secret_content": f"bland{text}", "in_image": True}),
        ("netplan", {"name": "60-a", "content": text}),
        ("systemd_unit", {"name": "a.service", "content": text}),
    ):
        bland = {**options, **{name: "bland" for name, value in options.items() if value in (text, f"bland{text}")}}
        assert rendered(kind, **options).script == rendered(kind, **bland).script
    run = rendered("user", name="ops", home=f"/srv/{home}")
    with tempfile.TemporaryDirectory() as directory:
        for name, script in {"getent": "exit 2", "useradd": f"""printf '%s\\0' "$@" >{directory}/told"""}.items():
            Path(directory, name).write_text(f"#!/bin/sh\n{script}\n")
            Path(directory, name).chmod(0o755)
        subprocess.run(["sh", "-eu", "-c", run.script], env={"PATH": f"{directory}:/usr/bin:/bin"}, check=True)
        told = Path(directory, "told").read_bytes().decode().split("\0")
    assert told[told.index("--home") + 1] == absolute_path("home", f"/srv/{home}").rstrip("/")
