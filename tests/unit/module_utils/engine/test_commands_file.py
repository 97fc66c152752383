# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import guest_scripts
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.commands_file import Commands, render
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import (
    Operation,
    Run,
    StepOperations,
    Upload,
    Write,
)

# What virt-customize's parser of such files takes as meant: an operation, one blank, plain words.
PLAIN_LINE = re.compile(r"(run|copy-in|run-command|upload) [A-Za-z0-9/._-][A-Za-z0-9/._: +-]*")
NASTY = 'it\'s "odd": $HOME `id` \\\n# -x\\'


def commands_of(*operations: Operation) -> Commands:
    return render([StepOperations(1, "step", "1 (step)", operations)], "magic", grow=False, network=True)


def middle(commands: Commands) -> list[str]:
    return list(commands.lines[2:-1])


def test_the_frame() -> None:
    assert commands_of().lines == (
        "run begin",
        "copy-in staged:/.goldsmith/ram",
        "run-command sh /.goldsmith/ram/staged/end",
    )


@pytest.mark.parametrize(
    ("operation", "lines"),
    [
        (Run("true"), ["run-command sh /.goldsmith/ram/staged/run 0001"]),
        (Run("true", timeout=600), ["run-command sh /.goldsmith/ram/staged/run 0001 600"]),
        (Write("text", "/etc/motd"), ["run-command sh /.goldsmith/ram/staged/run 0002"]),
        (
            Upload("/srv/a:b", "/opt/a"),
            [
                "run-command sh /.goldsmith/ram/staged/run 0001",
                "upload uploads/0001:/.goldsmith/uploads/0001",
                "run-command sh /.goldsmith/ram/staged/run 0002",
            ],
        ),
    ],
)
def test_operations(operation: Operation, lines: list[str]) -> None:
    assert middle(commands_of(operation)) == lines


def test_contents_lie_in_files() -> None:
    commands = commands_of(Write("secret", "/etc/motd"), Run("echo secret"))
    assert commands.files["staged/contents/0001"] == "secret"
    assert commands.files["staged/scripts/0003"] == "echo secret\n"
    assert not any("secret" in line for line in commands.lines)
    assert commands.uploads == {}


def test_numbers_lead_back_to_steps() -> None:
    first, second = (StepOperations(n, "run", f"{n} (run)", (Run("true"), Run("true"))) for n in (1, 2))
    commands = render([first, second], "magic", grow=False, network=False)
    assert commands.steps == {"0001": first, "0002": first, "0003": second, "0004": second}


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(
    st.lists(
        st.one_of(
            st.builds(Run, script=texts, timeout=st.none() | st.integers(1, 9999)),
            st.builds(Write, content=texts, dest=texts.map("/".__add__), owner=texts, group=texts),
            st.builds(Upload, source=texts, dest=texts.map("/".__add__), mode=texts),
        )
    )
)
def test_lines_stay_plain_whatever_users_write(operations: list[Operation]) -> None:
    commands = commands_of(*operations)
    for line in commands.lines:
        assert PLAIN_LINE.fullmatch(line), line
    for name in (*commands.files, *commands.uploads):
        assert re.fullmatch(r"[a-z0-9/]+", name)


@settings(max_examples=25, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=40).filter(
        lambda name: name not in (".", "..") and len(name.encode()) < 200
    )
)
def test_files_get_their_place_whatever_they_are_called(name: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        source, dest = Path(directory, "source"), f"{directory}/{name}"
        source.write_text("content")
        os.symlink("/nowhere", dest) if name != "source" else None
        script = guest_scripts.require_directory(dest) + guest_scripts.place_file(
            str(source), dest if name != "source" else f"{dest}2", "0640", str(os.getuid()), str(os.getgid())
        )
        subprocess.run(["sh", "-eu", "-c", script], check=True)
        placed = Path(dest if name != "source" else f"{dest}2")
        assert placed.read_text() == "content"
        assert not placed.is_symlink()
        assert placed.stat().st_mode & 0o7777 == 0o640


def fails_with(script: str) -> str:
    done = subprocess.run(["sh", "-eu", "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode != 0
    return done.stderr


def test_what_is_missing_is_named() -> None:
    assert fails_with(guest_scripts.require_directory("/no where/x")) == (
        "the directory of /no where/x does not exist in the image\n"
    )
    subprocess.run(["sh", "-eu", "-c", guest_scripts.require_directory("/file")], check=True)


@pytest.mark.parametrize("shell", ["dash", "bash --posix"])
@pytest.mark.parametrize(
    "script",
    [
        guest_scripts.begin_script(NASTY, grow=True),
        guest_scripts.begin_script("magic", grow=False),
        guest_scripts.run_script(network=True),
        guest_scripts.end_script(),
    ],
)
def test_scripts_are_shell(shell: str, script: str) -> None:
    assert not re.search(r"@[A-Z_]+@", script)
    done = subprocess.run([*shell.split(), "-n"], input=script, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
