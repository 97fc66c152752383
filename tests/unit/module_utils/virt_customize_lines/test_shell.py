# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading shell, measured by what Bash itself reads."""

from __future__ import annotations

import contextlib
import shlex
import subprocess

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.commands import commands
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.shell import Word, tokens


def words(script: str) -> list[str | None]:
    return [token.text.literal for token in tokens(script) if isinstance(token, Word)]


def read_by_bash(line: str) -> list[str] | None:
    """The arguments that Bash makes of a line, without the matching of file names; None where it cannot read it."""
    done = subprocess.run(
        ["bash", "-f", "-c", f"printf '%s\\0' x {line}"],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C.UTF-8"},
    )
    return done.stdout.split("\0")[1:-1] if not done.returncode and not done.stderr else None


@pytest.mark.parametrize(
    "line",
    [
        "--install nginx,vim",
        "--write '/etc/motd:two\nlines'",
        '--write "/etc/motd:a \\"quoted\\" word, \\$5 and \\n"',
        "--edit '/etc/x:s/^#?a.*/b/'",
        "--run-command 'echo '\\''it'\\'''",
        "--run-command \"echo 'x'\"",
        "--hostname a\\ b --touch /c",
        "--mkdir /srv \\\n  --touch /srv/a",
        "--mkdir /srv\\\n/www",
        "--touch /a # a comment with 'a quote",
        "--touch /a#b",
        "--append-line /etc/x:#b",
        "''",
        "a''b \"\" c",
        "--write $'/etc/x:a\\tb\\n\\'c\\''",
        '--write $"/etc/x:a"',
        "--write /etc/x:100%$",
        "-a 'ü ñ' '…'",
        "'\\'",
        '"a\\\nb"',
        "x=y --opt=value",
    ],
)
def test_a_line_is_read_as_bash_reads_it(line: str) -> None:
    assert words(line) == read_by_bash(line)


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="ab '\"\\\n\t#=,:-", max_size=14))
def test_any_quoting_is_read_as_bash_reads_it(line: str) -> None:
    assume(not line.endswith("\\"))  # the end of a file continues no line
    expected = read_by_bash(line)
    assume(expected is not None)
    # Bash would take what follows an unquoted line break for another command.
    assume(all(isinstance(token, Word) for token in tokens(line)))
    assert words(line) == expected


@given(st.lists(st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"))))
def test_what_is_quoted_comes_back(values: list[str]) -> None:
    assert words(shlex.join(values)) == values


@pytest.mark.parametrize(
    ("script", "line", "sign"),
    [
        ("a\nvirt-customize 'x", 2, "'"),
        ('a\n\nb "x\ny', 3, '"'),
        ("a $(b", 1, "("),
        ("a\nb ${c", 2, "{"),
        ("a `b", 1, "`"),
        ("a $'b", 1, "$'"),
        ("a=(b", 1, "("),
    ],
)
def test_what_does_not_end_is_named_with_its_line(script: str, line: int, sign: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        tokens(script)
    assert caught.value.cause == f"line {line}: what {sign} begins there does not end"
    assert caught.value.way_out


@given(st.text(alphabet="a$(){}'\"`\\ \n;<>&|#=[]@!-", max_size=24))
def test_anything_is_read_or_refused(script: str) -> None:
    with contextlib.suppress(BadRequestError):
        commands(script)


@pytest.mark.parametrize(
    ("word", "jinja"),
    [
        ("$IMAGE", "{{ image }}"),
        ('"${IMAGE}.qcow2"', "{{ image }}.qcow2"),
        ("'$IMAGE'", "$IMAGE"),
        ("\\$IMAGE", "$IMAGE"),
        ("$NAME", "{{ shell_name }}"),
        ("$ansible_x", "{{ shell_ansible_x }}"),
        ("$1", "{{ argument_1 }}"),
        ("$HOME/.ssh/key", "{{ lookup('ansible.builtin.env', 'HOME') }}/.ssh/key"),
        ("${SIZE:-10G}", "{{ size | default('10G', true) }}"),
        ("${SIZE-10G}", "{{ size | default('10G') }}"),
        ("$(cat /srv/version)", "{{ lookup('ansible.builtin.file', '/srv/version') }}"),
        ("$(< /srv/version)", "{{ lookup('ansible.builtin.file', '/srv/version') }}"),
        ("`date +%F`", "{{ lookup('ansible.builtin.pipe', 'date +%F') }}"),
        ("\"$(date '+%F')\"", "{{ lookup('ansible.builtin.pipe', 'date \\'+%F\\'') }}"),
        ("'{{ x }}'", "{{ '{{' }} x }}"),
        ("'{% x'$Y", "{{ '{%' }} x{{ y }}"),
        ("'{'$Y", "{{ '{' }}{{ y }}"),
    ],
)
def test_expansions_become_jinja(word: str, jinja: str) -> None:
    (token,) = tokens(word)
    assert isinstance(token, Word)
    assert token.text.jinja == jinja


SCRIPT = """\
#!/bin/sh
IMAGE=/srv/a.img  # the base
export LIST="a b" OTHER=1
if [ -e "$IMAGE" ]; then
    first one >log 2>&1 && second
fi
cat <<EOF >/dev/null
virt-customize 'not a quote
EOF
for name in a b; do third; done; fourth || fifth
case $1 in
    a|b) sixth ;;
esac
seventh() {
    eighth
}
ENV=1 ninth
(cd /; tenth)
files=(a 'b c')
"""


def test_commands_stand_with_their_lines_and_conditions() -> None:
    found = [(part.line, part.words[0].text.source, part.condition) for part in commands(SCRIPT) if part.words]
    assert found == [
        (3, "export", ""),
        (4, "[", "if"),
        (5, "first", "if"),
        (5, "second", "if"),
        (7, "cat", ""),
        (10, "for", "for"),
        (10, "third", "for"),
        (10, "fourth", ""),
        (10, "fifth", "||"),
        (11, "case", "case"),
        (12, "sixth", "case"),
        (15, "eighth", ""),
        (17, "ninth", ""),
        (18, "cd", ""),
        (18, "tenth", ""),
    ]


def test_here_documents_assignments_and_arrays() -> None:
    found = commands(SCRIPT)
    assert [command.here_document for command in found if command.here_document] == ["virt-customize 'not a quote\n"]
    assigned = {part.name: part for command in found for part in command.assignments}
    assert assigned["IMAGE"].value.literal == "/srv/a.img"
    assert [element.literal for element in assigned["files"].array or ()] == ["a", "b c"]
    assert set(assigned) == {"IMAGE", "ENV", "files"}
