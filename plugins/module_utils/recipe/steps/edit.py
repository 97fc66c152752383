# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file changed line by line, by Perl."""

from __future__ import annotations

import shlex

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import require_file, require_program
from ..values import file_path

_PERL = r"""
our $lineno = 0;
our $code = do {
    local $/;
    open my $file, '<', "$ENV{FILES}/expression" or die "$!\n";
    eval "sub { " . <$file> . "\n}";
};
if (!$code) { print STDERR "the expression is no Perl: $@"; exit 1 }
while (<STDIN>) {
    $lineno++;
    eval { $code->(); 1 } or do { print STDERR "the expression failed on line $lineno: $@"; exit 1 };
    print STDOUT $_ or die "$!\n";
}
close STDOUT or die "$!\n";
"""


def _check(options: Options) -> Options:
    expression = options["expression"]
    if not expression.strip() or "\0" in expression:
        raise BadRequestError("expression has to be a Perl expression and is empty or holds a NUL byte")
    return {**options, "path": file_path("path", options["path"])}


def _render(options: Options) -> tuple[Operation, ...]:
    file = shlex.quote(options["path"])
    # Into the file that is there: its owner, permissions and links stay.
    script = f"""\
{require_file(options["path"])}{require_program("perl", "perl-base")}\
perl -- "$FILES/edit" <{file} >"$FILES/edited"
cat <"$FILES/edited" >{file}
"""
    return (Run(script, contents={"edit": _PERL, "expression": options["expression"]}),)


KIND = StepKind(
    name="edit",
    description="""
        Change a file by a Perl expression that is evaluated for each of its lines, as C(virt-customize --edit) does.
        The file keeps its owner and its permissions. The image's own Perl does it (package C(perl-base)).

        An expression that fits no line changes nothing, and is no error. For a line that has to be there, use the step
        C(line_in_file).
    """,
    options={
        "path": {"type": "str", "required": True, "description": "Absolute path of the file, which has to exist."},
        "expression": {
            "type": "str",
            "required": True,
            "description": """
                The expression. It finds the line, with its line break, in C($_) and changes it there; a line is deleted
                by making it empty. C($lineno) is its number, from 1. C(die) stops the build.
            """,
        },
    },
    check=_check,
    render=_render,
    example=r"""
        - edit:
            path: /etc/ssh/sshd_config
            expression: s/^#?PermitRootLogin .*/PermitRootLogin no/
    """,
)
