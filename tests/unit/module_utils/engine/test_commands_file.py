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
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.report_disk import ReportDisk
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import (
    Operation,
    Run,
    StepOperations,
    Upload,
    Write,
)

# What virt-customize's parser of such files takes as meant: an operation, one blank, plain words.
PLAIN_LINE = re.compile(r"(run|copy-in|upload) [A-Za-z0-9/._-][A-Za-z0-9/._: +-]*")
REPORT = ReportDisk("0" * 32, 3)
SIZES = {"/srv/key": 100, "/srv/deb": 16 * 1024**2 - 200, "/srv/large": 17 * 1024**2}


def commands_of(*operations: Operation, timeout: int | None = None) -> Commands:
    steps = [StepOperations(1, "step", "1 (step)", operations, timeout)]
    return render(steps, REPORT, grow=False, network=True, sizes=SIZES)


def calls(commands: Commands) -> list[str]:
    """What `main` calls, after it is prepared."""
    return re.findall(r"^(?:step '|operation [0-9]|leave$).*$", commands.files["main"], re.MULTILINE)


RAM = "/dev/goldsmith/scripts"
STAGED = "/.goldsmith/ram/staged"


@pytest.mark.parametrize(
    ("operations", "timeout", "lines", "expected"),
    [
        ((), None, ["run main"], ["step ''", "leave"]),
        ((Run("true"),), None, ["run main"], ["step ''", f"operation 0001 {RAM}/0001", "leave"]),
        ((Run("true", timeout=9),), 60, ["run main"], ["step '60'", f"operation 0001 {RAM}/0001 9", "leave"]),
        ((Write("text", "/etc/motd"),), None, ["run main"], ["step ''", f"operation 0001 {RAM}/0001", "leave"]),
        (
            (Upload("/srv/a:b", "/opt/a"), Run("x", files={"a": "/srv/a", "b": "/srv/b"})),
            None,
            [
                "run begin",
                "upload uploads/0001:/.goldsmith/uploads/0001",
                "upload uploads/0002.0:/.goldsmith/uploads/0002.0",
                "upload uploads/0002.1:/.goldsmith/uploads/0002.1",
                "run main",
            ],
            ["step ''", f"operation 0001 {RAM}/0001", f"operation 0002 {RAM}/0002", "leave"],
        ),
        (
            (Write("x" * 100_000, "/etc/motd"),),
            None,
            ["run begin", "copy-in staged:/.goldsmith/ram", "run main"],
            ["step ''", f"operation 0001 {STAGED}/scripts/0001", "leave"],
        ),
    ],
)
def test_one_run_where_nothing_is_brought_in(
    operations: tuple[Operation, ...], timeout: int | None, lines: list[str], expected: list[str]
) -> None:
    commands = commands_of(*operations, timeout=timeout)
    assert list(commands.lines) == lines
    assert calls(commands) == expected


def test_long_contents_lie_in_files_of_their_own() -> None:
    content = "secret" * 20_000
    commands = commands_of(Write(content, "/etc/motd"), Run("cat $FILES/key", contents={"key": "k"}))
    assert commands.files["staged/contents/0001"] == content
    assert commands.files["staged/files/0002/key"] == "k"
    assert commands.files["staged/scripts/0002"] == f"export FILES={STAGED}/files/0002\ncat $FILES/key\n"
    assert not any("secret" in text for name, text in commands.files.items() if name != "staged/contents/0001")


def upload_targets(*files: str) -> list[str]:
    commands = commands_of(*(Run("x", files={"f": file}) for file in files))
    targets = [line.partition(":")[2] for line in commands.lines if line.startswith("upload ")]
    for number, target in enumerate(targets, start=1):
        assert f'ln -s {target} "$FILES/f"' in commands.files["main"]
        assert target.endswith(f"/{number:04}.0")
    assert ("mount -t tmpfs" in commands.files["begin"]) == any("/ram/" in target for target in targets)
    return [os.path.dirname(target) for target in targets]


DISK, MEMORY = "/.goldsmith/uploads", "/.goldsmith/ram/uploads"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["/srv/key"], [MEMORY]),
        (["/srv/large"], [DISK]),
        (["/srv/nowhere"], [DISK]),
        (["/srv/large", "/srv/key", "/srv/deb"], [DISK, MEMORY, MEMORY]),
        (["/srv/deb", "/srv/key", "/srv/key"], [MEMORY, MEMORY, MEMORY]),
        (["/srv/deb", "/srv/key", "/srv/key", "/srv/key"], [DISK, MEMORY, MEMORY, MEMORY]),
        (["/srv/deb", "/srv/deb"], [DISK, DISK]),
    ],
)
def test_small_files_of_scripts_go_into_memory(files: list[str], expected: list[str]) -> None:
    assert upload_targets(*files) == expected


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20), st.booleans())
def test_a_secret_stands_in_no_argument(text: str, brings_a_file: bool) -> None:
    """libguestfs hands `main` and `begin` over as arguments, and all programs of the image see those."""
    secret = f"s3cret'{text}"
    operations: tuple[Operation, ...] = (
        Write(secret, "/etc/key"),
        Run("cat $FILES/key", files={"a": "/srv/key"} if brings_a_file else {}, contents={"key": secret}),
        Run(f"echo {secret}"),
    )
    plain = StepOperations(1, "run", "1 (run)", (Run("true"),))
    step = StepOperations(2, "step", "2 (step)", operations, None, frozenset({secret}))
    commands = render([plain, step], REPORT, grow=False, network=False, sizes=SIZES)
    assert {name for name, content in commands.files.items() if "s3cret" in content} == {
        "staged/scripts/0002",
        "staged/files/0003/key",
        "staged/scripts/0004",
    }
    assert not any("s3cret" in line for line in commands.lines)


def test_numbers_lead_back_to_steps() -> None:
    first, second = (StepOperations(n, "run", f"{n} (run)", (Run("true"), Run("true"))) for n in (1, 2))
    commands = render([first, second], REPORT, grow=False, network=False)
    assert commands.steps == {"0001": first, "0002": first, "0003": second, "0004": second}


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@settings(deadline=None)
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
        assert re.fullmatch(r"[a-z0-9/.]+", name)


any_text = st.text(st.characters(exclude_categories=[]), max_size=60)


@settings(max_examples=40, deadline=None)
@given(any_text, st.sampled_from(["dash", "bash --posix"]))
def test_texts_arrive_to_the_byte(text: str, shell: str) -> None:
    """NUL bytes, bytes that are no UTF-8, and quotes, through the script that `main` writes a script with."""
    content = text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    with tempfile.TemporaryDirectory() as directory:
        script = guest_scripts.write_file(content, f"{directory}/written", "0640", str(os.getuid()), str(os.getgid()))
        main = guest_scripts.put(f"{directory}/script", script) + f"sh -eu {directory}/script\n"
        done = subprocess.run(
            [*shell.split(), "-eu"], input=main.encode("utf-8", "surrogateescape"), check=False, capture_output=True
        )
        written = Path(directory, "written")
        assert (done.returncode, done.stderr) == (0, b"")
        assert written.read_bytes() == content.encode("utf-8", "surrogateescape")
        assert written.stat().st_mode & 0o7777 == 0o640


@settings(max_examples=25, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=40).filter(
        lambda name: name not in (".", "..", "source") and len(name.encode()) < 200
    )
)
def test_files_get_their_place_whatever_they_are_called(name: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        source, dest = Path(directory, "source"), f"{directory}/{name}"
        source.write_text("content")
        attributes = (dest, "0640", str(os.getuid()), str(os.getgid()))
        for script in (
            guest_scripts.write_file("content", *attributes),
            guest_scripts.copy_file(str(source), *attributes),
            guest_scripts.place_file(str(source), *attributes),
        ):
            placed = Path(dest)
            placed.unlink(missing_ok=True)
            os.symlink("/nowhere", dest)
            subprocess.run(["sh", "-eu", "-c", script], check=True)
            assert placed.read_text() == "content"
            assert not placed.is_symlink()
            assert placed.stat().st_mode & 0o7777 == 0o640


def fails_with(script: str) -> str:
    done = subprocess.run(["sh", "-eu", "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode != 0
    return done.stderr


def test_what_is_missing_is_named() -> None:
    assert fails_with(guest_scripts.require_directory("/no where/x")) == (
        "the directory of /no where/x does not exist in the image\nmake it by a step mkdir before this one\n"
    )
    subprocess.run(["sh", "-eu", "-c", guest_scripts.require_directory("/file")], check=True)


MAINS = [
    guest_scripts.Main("", "", ("scripts",), grow=True, network=True, private=True),
    guest_scripts.Main("", ""),
]
SCRIPTS = [
    guest_scripts.begin_script(REPORT, staging=True, grow=True),
    guest_scripts.begin_script(REPORT, staging=False, grow=False),
    *(main.script(REPORT) for main in MAINS),
]


@pytest.mark.parametrize("shell", ["dash", "bash --posix"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_shell(shell: str, script: str) -> None:
    assert not re.search(r"@[A-Z_]+@", script)
    done = subprocess.run([*shell.split(), "-n"], input=script, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


MEANT = {
    "SC2034": "what one script needs, another of the same text does not",
    "SC2086": "a list of process numbers",
    "SC2174": "every directory is named",
    "SC2317": "a function that most builds have no use for",
    "SC2329": "as SC2317",
    "SC3013": "dash and bash have -nt, -ot and -ef",
}
"""What shellcheck warns of, and why it is right."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck(script: str) -> None:
    argv = ["shellcheck", "--shell=sh", f"--exclude={','.join(MEANT)}", "-"]
    done = subprocess.run(argv, input=script, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
