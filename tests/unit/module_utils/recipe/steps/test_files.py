# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that change files, their scripts run on this host."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Upload, Write
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.recipe.scripts import (
    carry_out,
    lines,
    names,
    operations,
    rendered,
)

few = settings(max_examples=25, deadline=None)


def done(kind: str, options: dict[str, t.Any]) -> None:
    said = carry_out(kind, options)
    assert (said.returncode, said.stderr) == (0, "")


@few
@given(names, lines, st.sampled_from(["", "a", "a\n", "a\r\n", "a\r\nb", "\n"]))
@example("-n", "-e \\c%s", "x")
def test_a_line_is_appended_as_it_is(name: str, line: str, before: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, name)
        if before:
            file.write_text(before, newline="")
        done("append_line", {"path": str(file), "line": line})
        end = "\r\n" if "\r\n" in before else "\n"
        between = end if before and not before.endswith("\n") else ""
        assert file.read_bytes().decode() == f"{before}{between}{line}{end}"


@few
@given(names, names)
def test_no_name_is_read_as_an_option_or_as_shell(name: str, other: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        top = Path(directory)
        done("mkdir", {"path": f"{top}/tree/{name}", "mode": "0750"})
        done("touch", {"path": f"{top}/tree/{name}/{other}"})
        done("chmod", {"path": f"{top}/tree/{name}/{other}", "mode": "0600"})
        done("append_line", {"path": f"{top}/tree/{name}/{other}", "line": "x"})
        done("copy", {"src": f"{top}/tree", "dest": f"{top}/{other}"})
        done("truncate", {"path": f"{top}/tree/{name}/{other}"})
        done("chmod", {"path": f"{top}/tree", "mode": "u+x", "recursive": True})
        done("truncate_recursive", {"path": f"{top}/{other}"})
        found = {str(path.relative_to(top)): path.stat() for path in top.rglob("*")}
        files = {f"tree/{name}/{other}": 0o700, f"{other}/{name}/{other}": 0o600}
        directories = {"tree": 0o755, f"tree/{name}": 0o750, other: 0o755, f"{other}/{name}": 0o750}
        assert {path: stat.S_IMODE(status.st_mode) for path, status in found.items()} == {**files, **directories}
        assert all(found[path].st_size == 0 for path in files)
        done("move", {"src": f"{top}/tree/{name}/{other}", "dest": f"{top}/moved"})
        done("scrub", {"path": f"{top}/{other}/{name}/{other}"})
        done("delete", {"path": f"{top}/tr?e"})
        assert sorted(str(path.relative_to(top)) for path in top.rglob("*")) == sorted(
            {other, f"{other}/{name}", "moved"}
        )


@few
@given(names, lines.filter(lambda text: text.strip() != ""))
def test_a_link_leads_where_it_is_told(name: str, target: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for path in (name, f"x{name}"):
            Path(directory, path).symlink_to(directory)
        links = [os.path.join(directory, path) for path in (name, f"x{name}")]
        done("link", {"target": target, "path": links})
        assert [os.readlink(link) for link in links] == [target, target]
        assert len(os.listdir(directory)) == 2


@few
@given(lines, lines.filter(lambda text: "|" not in text and "\\" not in text))
def test_an_expression_is_perl_and_nothing_else(content: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "it's $x")
        file.write_text(content + "\nlast", newline="")
        file.chmod(0o640)
        # In q(…) Perl sees characters: parentheses would have to be in pairs.
        expression = (
            f"my $text = <<'END OF TEXT'; chomp $text; $_ = qq($lineno:$text\\n) # a comment\n{text}\nEND OF TEXT"
        )
        done("edit", {"path": str(file), "expression": expression})
        assert file.read_bytes().decode() == f"1:{text}\n2:{text}\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("s/(/", "the expression is no Perl"),
        ("1 +", "the expression is no Perl"),
        ('die "not this one" if /two/', "the expression failed on line 2: not this one"),
    ],
)
def test_an_expression_that_fails_leaves_the_file(expression: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one\ntwo\n")
    failed = carry_out("edit", {"path": str(file), "expression": expression})
    assert failed.returncode != 0
    assert said in failed.stderr
    assert file.read_text() == "one\ntwo\n"


@pytest.mark.parametrize(
    ("kind", "options", "cause"),
    [
        ("append_line", {"path": "/a", "line": "a\nb"}, "single line"),
        ("append_line", {"path": "/a/", "line": ""}, "is the directory"),
        ("chmod", {"path": "/a", "mode": 420}, "quoted octal digits"),
        ("chmod", {"path": "a", "mode": "0644"}, "absolute path"),
        ("chown", {"path": "/a", "owner": "-x"}, "owner is no name"),
        ("chown", {"path": "/a", "group": "a:b"}, "group is no name"),
        ("chown", {"path": "/a"}, "one of the following is required: owner, group"),
        ("copy", {"src": "/", "dest": "/a"}, "the whole image"),
        ("copy_in", {"src": "a\nb", "dest": "/"}, "src has to be one line"),
        ("copy_in", {"src": "a", "dest": ""}, "dest has to be one line"),
        ("copy_in", {"src": "a", "dest": "/a/../b"}, "`..`"),
        ("delete", {"path": "/"}, "the whole image"),
        ("delete", {"path": "*"}, "absolute path"),
        ("edit", {"path": "/a", "expression": " "}, "expression has to be"),
        ("edit", {"path": "/a", "expression": "\0"}, "expression has to be"),
        ("line_in_file", {"path": "/a", "regexp": "x"}, "state is present but all of the following are missing: line"),
        ("line_in_file", {"path": "/a", "line": "x", "regexp": ""}, "would fit every line"),
        ("line_in_file", {"path": "/a", "line": "x\n"}, "single line"),
        ("line_in_file", {"path": "/a", "state": "absent", "line": "x", "insert_after": "y"}, "no meaning"),
        ("line_in_file", {"path": "/a", "line": "x", "insert_after": "y", "insert_before": "z"}, "mutually exclusive"),
        ("link", {"target": "a\n", "path": ["/b"]}, "target has to be one line"),
        ("link", {"target": "a", "path": []}, "path is empty"),
        ("link", {"target": "a", "path": ["/b", "c"]}, "absolute path"),
        ("mkdir", {"path": "/a", "mode": 493}, "quoted octal digits"),
        ("move", {"src": "/a", "dest": "b"}, "absolute path"),
        ("scrub", {"path": "/a/"}, "is the directory"),
        ("tar_in", {"src": "a", "dest": "/", "strip_components": -1}, "at least 0"),
        ("tar_in", {"src": "a", "dest": "/", "owner": "A"}, "owner is no name"),
        ("template", {"src": "a", "dest": "/a/"}, "is the directory"),
        ("template", {"src": "a", "dest": "/a", "secret": True}, "would stay in the image"),
        ("touch", {"path": "~/a"}, "absolute path"),
        ("truncate", {"path": "/a\0"}, "one line"),
        ("truncate_recursive", {"path": "/"}, "the whole image"),
        ("upload", {"src": "a", "dest": "/a", "secret": True}, "would stay in the image"),
        ("upload", {"src": "a\n", "dest": "/a"}, "src has to be one line"),
        ("write", {"dest": "/a"}, "one of the following is required"),
        ("write", {"dest": "/a", "content": "", "secret_content": ""}, "mutually exclusive"),
        ("write", {"dest": "/a", "secret_content": "hunter2"}, "secret_content would stay in the image"),
    ],
)
def test_what_is_refused(kind: str, options: dict[str, t.Any], cause: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        operations(kind, options)
    assert cause in caught.value.cause
    assert f"steps[0].{kind} (step 1)" in caught.value.cause
    assert "hunter2" not in str(caught.value)


def test_secrets_that_belong_in_the_image() -> None:
    into = {"dest": "/a", "in_image": True}
    assert operations("write", {"secret_content": "hunter2", **into}) == (Write("hunter2", "/a"),)
    for kind in ("upload", "template"):
        assert operations(kind, {"src": "a", "secret": True, **into}, src="/store/1") == (Upload("/store/1", "/a"),)


def test_an_archive_that_leads_out_of_its_directory_ends_the_build(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "outside").touch()
    argv = ["tar", "-c", "-P", "-f", str(tmp_path / "archive"), "../outside"]
    subprocess.run(argv, cwd=inside, check=True)
    (tmp_path / "outside").unlink()
    failed = carry_out("tar_in", {"src": "a", "dest": str(inside)}, src=str(tmp_path / "archive"))
    assert failed.returncode != 0
    assert "contains '..'" in failed.stderr
    assert not (tmp_path / "outside").exists()


def test_an_archive_in_a_compression_that_the_image_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(bytes.fromhex("28b52ffd") + b"rest")
    script = rendered("tar_in", {"src": "a", "dest": str(tmp_path)}, src="/store/1").script
    script = script.replace("command -v zstd", "command -v no-such-program")
    environ = {**os.environ, "FILES": str(tmp_path)}
    (tmp_path / "src").symlink_to("archive")
    argv = ["sh", "-eu", "-c", script]
    failed = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    assert (failed.returncode, "install the package zstd" in failed.stderr) == (1, True)
