# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import StepKind
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import (
    Operation,
    Run,
    Upload,
    Write,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import KINDS
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.shell import require_directory
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.values import absolute_path
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.recipe.scripts import operations

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB o'neil; id"
HASH = "$6$salt$hash"
MEANT = {
    "SC1007": "several variables emptied in one line",
    "SC1091": "a file of $FILES is read",
    "SC2034": "a loop that only counts",
    "SC2041": "a loop over a list of one",
    "SC2043": "a loop over a list of one",
    "SC2059": "a format of ours",
    "SC2066": "a loop over a list of one",
    "SC2174": "the directories above are there",
}
"""What shellcheck warns of, and why it is right."""


def examples(kind: StepKind) -> list[dict[str, t.Any]]:
    """The options of each step of its example that is of this kind."""
    return [step[kind.name] for step in yaml.safe_load(kind.example or "[]") if kind.name in step]


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        (
            "upload",
            {"src": "files/x y.bin", "dest": "/opt/", "mode": "755", "owner": "daemon", "group": "adm"},
            [Upload("/store/1", "/opt/x y.bin", "0755", "daemon", "adm")],
        ),
        ("write", {"dest": "/etc/motd", "content": "-x: 'a'\n"}, [Write("-x: 'a'\n", "/etc/motd")]),
        (
            "run_command",
            {
                "command": "make\n",
                "chdir": "/opt/it's",
                "environment": {"A": '"$x'},
                "timeout": 60,
                "network": False,
            },
            [
                Run(
                    require_directory("/opt/it's")
                    + "export A='\"$x'\ncd -- '/opt/it'\"'\"'s'\nunset FILES\nset +u\nmake\n",
                    network=False,
                    timeout=60,
                )
            ],
        ),
        (
            "systemd_unit",
            {"name": "-.mount", "drop_in": "x.conf", "content": "[Unit]\n"},
            [
                Run(
                    "mkdir -p '/etc/systemd/system/-.mount.d'\n"
                    "install -T -m 0644 \"$FILES/unit\" '/etc/systemd/system/-.mount.d/x.conf'\n",
                    contents={"unit": "[Unit]\n"},
                )
            ],
        ),
    ],
)
def test_what_a_step_comes_down_to(kind: str, options: dict[str, t.Any], expected: list[Operation]) -> None:
    assert list(operations(kind, options, **({"src": "/store/1"} if "src" in options else {}))) == expected


def test_a_key_is_injected_after_the_user_was_looked_for() -> None:
    (look,) = operations("ssh_inject", {"user": "ubuntu", "key": KEY})
    assert isinstance(look, Run)
    assert KEY.partition(" o")[0] in look.script
    # The script as it runs in an image, on a host that has root and no such user.
    for user, status in (("nobody-here", 1), ("root", 0)):
        argv = ["sh", "-eu", "-c", look.script.partition("home=")[0].replace("ubuntu", user)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == status
        assert ("does not exist in the image" in done.stderr) == ("cloud-init" in done.stderr) == bool(status)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("packages", {"install": ["g++", "nginx=1.24.0-2ubuntu7~1", "task^"], "remove": ["snapd"], "upgrade": "dist"}),
        ("packages", {"remove": ["snapd"]}),
        ("user", {"name": "ops", "sudo": "password", "groups": ["adm"], "authorized_keys": [KEY]}),
        ("user", {"name": "app", "system": True, "uid": 900, "comment": "it's -x", "password_hash": HASH}),
        ("run_command", {"command": "for i in 1 2; do echo $i; done"}),
        ("password", {"user": "root", "password": "hunter2", "method": "sha512", "locked": False}),
        ("copy_in", {"src": "a", "dest": "/it's", "owner": "daemon"}),
        ("line_in_file", {"path": "/it's", "regexp": "x", "state": "absent"}),
        *((kind.name, options) for kind in KINDS.values() for options in examples(kind)),
    ],
)
def test_scripts_are_posix_shell(kind: str, options: dict[str, t.Any]) -> None:
    (step,) = parse_steps([{kind: options}])
    paths = {place: "/store/1" for place, dummy in step.files()}
    for operation in (*step.operations(paths).operations, *step.finishing(paths).operations):
        if isinstance(operation, Run):
            argv = ["shellcheck", "--shell=sh", "--severity=warning", f"--exclude={','.join(MEANT)}", "-"]
            script = f"set -eu\n{operation.script}"
            checked = subprocess.run(argv, input=script, text=True, capture_output=True, check=False)
            assert checked.returncode == 0, checked.stdout


def test_every_kind_has_an_example() -> None:
    assert [kind.name for kind in KINDS.values() if not examples(kind)] == []


nasty = st.text(
    st.sampled_from(list("'\"$`\\ ;&|<>()#*?!~-\t%{}[]ä"))
    | st.characters(exclude_categories=["Cs"], exclude_characters=":"),
    min_size=1,
    max_size=30,
).filter(lambda text: text.strip() != "" and not set(text) & set("\n\r\0"))


@settings(max_examples=25, deadline=None)
@given(comment=nasty, shell=nasty, password=nasty.filter(lambda text: not set(text) & set(" \t")))
def test_no_value_of_a_user_is_read_as_shell(comment: str, shell: str, password: str) -> None:
    """Programs that only tell what they were given stand in for those of an image."""
    given_options = {"name": "ops", "comment": comment, "shell": f"/{shell}", "password_hash": f"$6${password}"}
    try:
        (run,) = operations("user", given_options)
    except BadRequestError:
        return
    assert isinstance(run, Run)
    with tempfile.TemporaryDirectory() as directory:
        work, programs = Path(directory, "work"), Path(directory, "programs")
        work.mkdir()
        programs.mkdir()
        for name, script in {
            "getent": "exit 2",
            "useradd": f"""printf '%s\\0' "$@" >{directory}/arguments""",
            "chpasswd": f"cat >{directory}/password",
        }.items():
            (programs / name).write_text(f"#!/bin/sh\n{script}\n")
            (programs / name).chmod(0o755)
        (Path(directory) / "files").mkdir()
        for name, text in run.contents.items():
            (Path(directory) / "files" / name).write_text(text)
        environ = {"PATH": f"{programs}:/usr/bin:/bin", "FILES": f"{directory}/files"}
        subprocess.run(["sh", "-eu", "-c", run.script], cwd=work, env=environ, check=True)
        arguments = Path(directory, "arguments").read_bytes().decode().split("\0")
        assert arguments[arguments.index("--comment") + 1] == comment
        assert arguments[arguments.index("--shell") + 1] == absolute_path("shell", f"/{shell}")
        assert Path(directory, "password").read_bytes().decode() == f"ops:$6${password}\n"
        assert os.listdir(work) == []


@pytest.mark.parametrize(
    ("options", "network", "commands"),
    [
        ({"install": ["nginx", "curl"]}, True, ["--no-install-recommends install -- nginx curl"]),
        ({"install": ["nginx"], "recommends": True}, True, ["--force-confold install -- nginx"]),
        ({"upgrade": "yes"}, True, ["--no-install-recommends upgrade --with-new-pkgs"]),
        ({"remove": ["snapd"]}, False, ['--no-install-recommends remove -- "$@"']),
        (
            {"install": ["nginx"], "remove": ["snapd"], "upgrade": "dist"},
            True,
            ['remove -- "$@"', "dist-upgrade", "install -- nginx"],
        ),
    ],
)
def test_what_apt_get_is_told(options: dict[str, t.Any], network: bool, commands: list[str]) -> None:
    (run,) = operations("packages", options)
    assert isinstance(run, Run)
    places = [run.script.find(command) for command in commands]
    assert -1 not in places
    assert places == sorted(places)
    assert run.script.count("apt-get --quiet --assume-yes") == len(commands)
    assert ("apt-get --quiet update" in run.script) == run.network == network


@pytest.mark.parametrize(("option", "value"), [("password_hash", HASH), ("password", "it's: secret")])
def test_a_password_is_no_argument_of_a_program(option: str, value: str) -> None:
    (run,) = operations("user", {"name": "ops", option: value})
    assert isinstance(run, Run)
    assert value not in run.script
    assert run.contents == {"password": f"ops:{value}\n"}
