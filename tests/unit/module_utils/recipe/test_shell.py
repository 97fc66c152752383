# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import locale
import os
import subprocess
import tempfile
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe import shell
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.recipe.scripts import names

NAMES = [
    "a",
    "b",
    "ab",
    "a.gz",
    "b.old",
    "[a]",
    "*",
    "-a",
    "a b",
    ".a",
    "{a}",
    "äaaaa",
    "a\\",
    "!",
    "^",
    "a,b",
    "directory",
]


PIECES = [
    "a",
    "b",
    " ",
    "*",
    "?",
    "[ab]",
    "[!a]",
    "[^a-b]",
    "\\[",
    "]",
    "\\*",
    "{a,b}",
    "{a,{b,-a}}",
    ".",
    "-",
    "ä",
    "!",
    "^",
]


def sh(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-eu", "-c", script], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(name="directory", scope="module")
def fixture_directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        for file in NAMES:
            Path(name, file).touch()
        yield Path(name)


class Found(ctypes.Structure):
    """The beginning of ``glob_t``."""

    _fields_ = (("count", ctypes.c_size_t), ("paths", ctypes.POINTER(ctypes.c_char_p)), ("rest", ctypes.c_char * 256))


def glob(pattern: str) -> set[str]:
    """What glob(3) makes of a pattern, as libguestfs calls it: with GLOB_BRACE, and in the C locale, byte by byte."""
    found = Found()
    before = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, "C")
    try:
        ctypes.CDLL(None).glob(pattern.encode(), 1 << 10, None, ctypes.byref(found))
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return {os.fsdecode(t.cast("bytes", found.paths[number])) for number in range(found.count)}


def expanded(words: str, directory: Path) -> list[str]:
    script = f'for path in {words}; do if [ -e "$path" ]; then printf \'%s\\0\' "$path"; fi; done'
    done = sh(script, directory)
    assert done.returncode == 0, done.stderr
    return sorted(done.stdout.split("\0")[:-1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4))
@example(["[^a]", "*"])
@example(["{a,{b,-a}}", "*"])
@example(["?", "a", "*"])
def test_patterns_fit_what_those_of_the_c_library_fit(directory: Path, pieces: list[str]) -> None:
    whole = f"{directory}/{''.join(pieces)}"
    found = sorted(path for path in glob(whole) if Path(path).exists())
    # Two alternatives in braces may name one file.
    assert sorted(set(expanded(shell.pattern_words(whole), directory))) == found


@settings(max_examples=60, deadline=None)
@given(names)
def test_a_name_in_a_pattern_is_no_shell(directory: Path, name: str) -> None:
    quoted = "".join(f"\\{character}" if character in "*?[]{}\\" else character for character in name)
    script = f"for path in {shell.pattern_words('/nowhere/' + quoted)}; do printf '%s\\0' \"$path\"; done"
    done = sh(script, directory)
    assert (done.returncode, done.stdout) == (0, f"/nowhere/{name}\0")


def test_what_is_missing_is_said_in_words(tmp_path: Path) -> None:
    file, link, missing = tmp_path / "it's", tmp_path / "link", tmp_path / 'no"t $here'
    file.touch()
    link.symlink_to("nothing")
    for script, cause in {
        shell.require_path(str(file)): "",
        shell.require_path(str(link)): "",
        shell.require_path(str(missing)): f"{missing} does not exist in the image",
        shell.require_file(str(file)): "",
        shell.require_file(str(link)): f"{link} does not exist in the image",
        shell.require_file(str(tmp_path)): f"{tmp_path} is a directory in the image",
        shell.require_directory(str(tmp_path)): "",
        shell.require_directory(str(file)): f"the directory {file} does not exist in the image",
        shell.require_parent(str(missing)): "",
        shell.require_parent("/x"): "",
        shell.require_parent(f"{missing}/x"): f"the directory {missing} does not exist in the image",
        shell.require_program("sh", "dash"): "",
        shell.require_program("no-such", "some-package"): "install the package some-package",
        shell.require_accounts("root", "0"): "",
        shell.require_accounts("54321", "54321"): "",
        shell.require_accounts("root", "no-such"): "the group no-such does not exist in the image",
        shell.require_accounts("no-such", "no-such"): "the user no-such does not exist in the image",
    }.items():
        done = sh(f"{script}echo went on\n", tmp_path)
        assert done.stdout == ("" if cause else "went on\n"), script
        assert done.returncode == (1 if cause else 0)
        assert cause in done.stderr
