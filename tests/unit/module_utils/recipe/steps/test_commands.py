# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that run something of the user's, and passwords."""

from __future__ import annotations

import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.recipe.scripts import (
    carry_out,
    lines,
    names,
    operations,
    rendered,
)

few = settings(max_examples=25, deadline=None)
values = st.lists(lines, max_size=3).map("\n".join)
LOCAL = {"network": False}


@few
@given(names, values, values)
def test_variables_and_directories_are_what_they_say(name: str, plain: str, secret: str) -> None:
    secret = f"hunter2{secret}"
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, name).mkdir()
        asked = {
            "chdir": f"{directory}/{name}",
            "environment": {"PLAIN": plain},
            "secrets": {"SECRET": secret},
            "command": 'printf "%s|%s|%s" "$PLAIN" "$SECRET" "${FILES-unset}" >out\npwd >where',
        }
        done = carry_out("run_command", asked)
        assert (done.returncode, done.stderr) == (0, "")
        assert Path(directory, name, "out").read_bytes().decode() == f"{plain}|{secret}|unset"
        assert Path(directory, name, "where").read_text() == f"{directory}/{name}\n"


@few
@given(st.lists(values, max_size=4))
def test_no_shell_reads_argv(arguments: list[str]) -> None:
    done = carry_out("run_command", {"argv": ["printf", "%s\\0", "first", *arguments]})
    assert (done.returncode, done.stdout.encode()) == (0, "".join(f"{a}\0" for a in ("first", *arguments)).encode())


def test_a_word_of_the_shell_is_a_program_in_argv() -> None:
    assert carry_out("run_command", {"argv": ["if"]}).returncode == 127


@pytest.mark.parametrize("kind", ["run", "run_command"])
def test_a_secret_is_a_content_and_nothing_else(kind: str) -> None:
    asked: dict[str, t.Any] = {"secrets": {"TOKEN": "hunter2'"}, "environment": {"PLAIN": "x"}}
    asked |= {"src": "a"} if kind == "run" else {"command": "true"}
    run = rendered(kind, asked, **({"src": "/store/1"} if kind == "run" else {}))
    assert "hunter2" not in run.script
    assert run.contents == {"secrets": "export TOKEN='hunter2'\"'\"''\n"}
    (step,) = parse_steps([{kind: asked}])
    assert step.secrets() == {"hunter2'"}
    assert step.has_secrets()


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"command": " "}, "command has to be a shell command"),
        ({"command": "a\0"}, "NUL byte"),
        ({}, "one of the following is required: command, argv"),
        ({"command": "a", "argv": ["a"]}, "mutually exclusive"),
        ({"argv": []}, "argv has to begin with a program"),
        ({"argv": ["-x"]}, "argv has to begin with a program"),
        ({"argv": ["a", "\0"]}, "NUL byte"),
        ({"command": "a", "timeout": 0}, "at least 1 second"),
        ({"command": "a", "chdir": "b"}, "chdir has to be an absolute path"),
        ({"command": "a", "environment": {"A B": "x"}}, "cannot be the name of an environment variable"),
        ({"command": "a", "environment": {"FILES": "/srv"}}, "environment has FILES, by which the step finds its own"),
        ({"command": "a", "secrets": {"FILES": "hunter2"}}, "secrets has FILES, by which the step finds its own"),
        ({"command": "a", "environment": {"A": True}}, "environment.A is not text"),
        ({"command": "a", "environment": {"A": ["x"]}}, "environment.A is not text"),
        ({"command": "a", "secrets": {"A": {"b": "hunter2"}}}, "secrets.A is not text"),
        ({"command": "a", "secrets": {"A": "hunter2\0"}}, "secrets.A has a NUL byte"),
        ({"command": "a", "secrets": {"A=;id": "hunter2"}}, "cannot be the name of an environment variable"),
        ({"command": "a", "secrets": {"A": "x"}, "environment": {"A": "x"}}, "A stands in both"),
    ],
)
def test_what_is_refused(options: dict[str, t.Any], cause: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        operations("run_command", options)
    assert cause in caught.value.cause
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("echo $0 >out; exit 3", 3, ""),
        ("#!/bin/sh -u\necho $unset", 2, "unset"),
        ("#! /usr/bin/env perl\nopen my $o, '>', 'out'; print $o 'x'", 0, ""),
        ("#!/no such/interpreter -x\n", 1, "the image has no /no, which the first line of the script asks for"),
        ("#!/bin/sh\r\necho\r\n", 1, "the lines of the script end as DOS has them"),
        ("", 0, ""),
    ],
)
def test_scripts_are_run_by_what_their_first_line_says(script: str, status: int, said: str, tmp_path: Path) -> None:
    file = tmp_path / "it's a script"
    file.write_text(script, newline="")
    done = carry_out("run", {"src": "a", "chdir": str(tmp_path)}, src=str(file))
    assert done.returncode == status
    assert said in done.stderr


def test_a_program_is_run(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(Path("/bin/true").read_bytes())
    assert carry_out("run", {"src": "a"}, src=str(program)).returncode == 0


@few
@given(lines.filter(lambda text: text != ""), st.sampled_from([{}, {"method": "sha512"}, {"locked": True}]))
def test_a_password_is_a_content_and_nothing_else(password: str, more: dict[str, t.Any]) -> None:
    marked = f"hunter2{password}"
    run = rendered("password", {"user": "root", "password": marked, **more})
    assert run.contents == {"password": f"root:{marked}\n"}
    assert "hunter2" not in run.script


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({}, "one of the following is required"),
        ({"password": ""}, "password is empty"),
        ({"password": "hunter2\nroot:x"}, "line break"),
        ({"password": "hunter2", "disabled": True}, "mutually exclusive"),
        ({"password_hash": "hunter2"}, "is not a hash of crypt(5)"),
        ({"password_hash": "$6$x$hunter2", "method": "sha512"}, "method says how"),
        ({"disabled": False}, "disabled cannot be false"),
        ({"user": "-x", "locked": True}, "user is no name"),
    ],
)
def test_passwords_that_are_refused(options: dict[str, t.Any], cause: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        operations("password", {"user": "root", **options})
    assert cause in caught.value.cause
    assert "hunter2" not in str(caught.value)


def test_a_method_that_the_image_does_not_know(tmp_path: Path) -> None:
    script = rendered("password", {"user": "root", "password": "hunter2", "method": "yescrypt"}).script
    (tmp_path / "chpasswd").write_text("#!/bin/sh\necho 'NONE DES MD5 SHA256 SHA512' >&2\n")
    (tmp_path / "chpasswd").chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "FILES": str(tmp_path)}
    failed = subprocess.run(["sh", "-eu", "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "cannot hash by yescrypt\nLeave out method" in failed.stderr
