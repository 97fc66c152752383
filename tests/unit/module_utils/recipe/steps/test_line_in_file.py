# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""line_in_file against the module that it takes after."""

from __future__ import annotations

import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible.modules import lineinfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.tests.unit.module_utils.recipe.scripts import carry_out, lines

EXPRESSIONS = ["^a", "b$", "^#?a", r"\sb", "[ab]c", "a|b", r"^(a)(b)", "(?i)A", r"^\s*$", r"\$x"]
given_lines = st.sampled_from(["a", "b", "ab", "#a", " b", "", "c a", "$x", "a\\1", 'it\'s "b"'])
contents = st.lists(given_lines, max_size=6).map("\n".join)
options = st.fixed_dictionaries(
    {"line": given_lines},
    optional={
        "regexp": st.sampled_from(EXPRESSIONS),
        "near": st.tuples(
            st.sampled_from(["insert_after", "insert_before"]), st.sampled_from([*EXPRESSIONS, "EOF", "BOF"])
        ).filter(lambda near: near not in {("insert_after", "BOF"), ("insert_before", "EOF")}),
    },
)


class Module:
    """What lineinfile asks of AnsibleModule."""

    _diff = False
    check_mode = False

    def __init__(self, path: Path) -> None:
        self.written: bytes = path.read_bytes()

    def exit_json(self, **dummy: t.Any) -> None:
        pass


def by_ansible(path: Path, state: str, asked: dict[str, t.Any]) -> str:
    """The content after ansible.builtin.lineinfile."""
    module = Module(path)

    def write_changes(given: Module, found: list[bytes], dummy: str) -> None:
        given.written = b"".join(found)

    after, before = asked.get("insert_after"), asked.get("insert_before")
    if after is None and before is None:
        after = "EOF"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lineinfile, "write_changes", write_changes)
        patch.setattr(lineinfile, "check_file_attrs", lambda dummy, changed, message, _diff: (message, changed))
        regexp, line = asked.get("regexp"), asked.get("line")
        if state == "absent":
            lineinfile.absent(module, str(path), regexp, None, line, False)
        else:
            lineinfile.present(module, str(path), regexp, None, line, after, before, False, False, False, False)
    return module.written.decode()


@settings(max_examples=80, deadline=None)
@given(contents, st.booleans(), st.sampled_from(["present", "absent"]), options)
@example("a", False, "present", {"line": "b", "near": ("insert_before", "BOF")})
def test_it_does_what_lineinfile_does(content: str, ended: bool, state: str, asked: dict[str, t.Any]) -> None:
    near = asked.pop("near", None)
    if near is not None and state == "present":
        asked[near[0]] = near[1]
        # Where the last line has no end and the new one follows it, lineinfile makes one line of the two.
        ended = True
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "it's")
        file.write_text(f"{content}\n" if ended else content)
        expected = by_ansible(file, state, asked)
        done = carry_out("line_in_file", {"path": str(file), "state": state, **asked})
        assert (done.returncode, done.stderr) == (0, "")
        assert file.read_text() == expected


@settings(max_examples=25, deadline=None)
@given(lines, lines)
def test_a_line_is_taken_as_it_is(line: str, other: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "file")
        for each in (line, other, line):
            asked = {"path": str(file), "line": each, "create": True}
            assert carry_out("line_in_file", asked).returncode == 0
        assert file.read_bytes().decode() == "".join(f"{each}\n" for each in dict.fromkeys((line, other)))
        assert carry_out("line_in_file", {"path": str(file), "line": line, "state": "absent"}).returncode == 0
        assert file.read_bytes().decode() == ("" if line == other else f"{other}\n")


def test_the_end_of_a_line_that_is_replaced_stays(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a\r\nb\r\n")
    assert carry_out("line_in_file", {"path": str(file), "regexp": "^a", "line": "c"}).returncode == 0
    assert file.read_bytes() == b"c\r\nb\r\n"


def test_a_line_after_the_last_one_which_has_no_end(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a")
    assert carry_out("line_in_file", {"path": str(file), "insert_after": "^a", "line": "b"}).returncode == 0
    assert file.read_text() == "a\nb\n"


def test_a_file_that_is_right_already_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a\n")
    before = file.stat()
    assert carry_out("line_in_file", {"path": str(file), "line": "a"}).returncode == 0
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"path": "/no-such/file", "line": "a"}, "/no-such/file does not exist in the image\nSay create: true"),
        ({"path": "/no-such/file", "line": "a", "create": True}, "the directory /no-such does not exist"),
        ({"path": "/tmp", "line": "a"}, "/tmp is a directory in the image"),
        ({"path": "/etc/passwd", "line": "a", "regexp": "("}, "regexp is no regular expression: Unmatched ("),
        ({"path": "/etc/passwd", "line": "a", "insert_after": "[a"}, "insert_after is no regular expression"),
    ],
)
def test_what_it_says_when_it_fails(asked: dict[str, t.Any], said: str) -> None:
    failed = carry_out("line_in_file", asked)
    assert failed.returncode == 1
    assert said in failed.stderr
