# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line that a file has to have, or must not have."""

from __future__ import annotations

import shlex

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import fail, require_parent, require_program
from ..values import file_path, text_line

_TEXTS = ("line", "regexp", "insert_after", "insert_before")

# Values come in files, as bytes: expressions mean the same whatever the encoding of the file is.
_PERL = r"""
use strict;
my ($path, $state) = @ARGV;

sub given {
    my ($name) = @_;
    open my $file, '<', "$ENV{FILES}/$name" or return undef;
    local $/;
    my $text = <$file>;
    return defined $text ? $text : '';
}

sub expression {
    my ($name) = @_;
    my $text = given($name);
    return undef unless defined $text;
    my $compiled = eval { qr/$text/ };
    return $compiled if defined $compiled;
    print STDERR "$name is no regular expression: $@";
    exit 1;
}

my @lines;
if (open my $file, '<', $path) { @lines = <$file> }
my $before = join '', @lines;
my $line = given('line');
my $regexp = expression('regexp');

sub is_line {
    my ($text) = @_;
    $text =~ s/[\r\n]+\z//;
    return $text eq $line;
}

if ($state eq 'absent') {
    @lines = grep { defined $regexp ? !/$regexp/ : !is_line($_) } @lines;
} else {
    my $after = expression('insert_after');
    my $near = defined $after ? $after : expression('insert_before');
    my ($found, $place) = (-1, -1);
    if (defined $regexp) {
        for my $n (0 .. $#lines) { $found = $n if $lines[$n] =~ /$regexp/ }
    }
    if ($found < 0) {
        for my $n (0 .. $#lines) {
            if (is_line($lines[$n])) { $found = $n }
            elsif (defined $near && $lines[$n] =~ /$near/) { $place = defined $after ? $n + 1 : $n }
        }
    }
    if ($found >= 0) {
        my $end = $lines[$found] =~ /\r\n\z/ ? "\r\n" : "\n";
        $lines[$found] = $line . $end;
    } else {
        $place = 0 if -e "$ENV{FILES}/first";
        $place = @lines if $place < 0;
        $lines[-1] .= "\n" if @lines && $place == @lines && $lines[-1] !~ /[\r\n]\z/;
        splice @lines, $place, 0, "$line\n";
    }
}

my $now = join '', @lines;
exit 0 if $now eq $before && -e $path;
open my $file, '>', $path or die "$path cannot be written: $!\n";
print $file $now or die "$path cannot be written: $!\n";
close $file or die "$path cannot be written: $!\n";
"""


def _check(options: Options) -> Options:
    checked = {**options, "path": file_path("path", options["path"])}
    if "line" in options:
        text_line("line", options["line"])
    for option in ("regexp", "insert_after", "insert_before"):
        if option in options:
            if not options[option]:
                raise BadRequestError(f"{option} is empty, and would fit every line", "Leave it out")
            text_line(option, options[option])
    if options["state"] == "absent":
        for option in ("insert_after", "insert_before"):
            if option in options:
                raise BadRequestError(f"{option} has no meaning for a line that is to be absent", "Leave it out")
    return checked


def _render(options: Options) -> tuple[Operation, ...]:
    path, state = options["path"], options["state"]
    contents = {name: options[name] for name in _TEXTS if name in options}
    if contents.get("insert_after") == "EOF":
        del contents["insert_after"]
    if contents.get("insert_before") == "BOF":
        del contents["insert_before"]
        contents["first"] = ""
    where = shlex.quote(path)
    script = f"[ ! -d {where} ] || {fail(f'{path} is a directory in the image, and has to be a file')}\n"
    if state == "absent":
        script += f"[ -e {where} ] || exit 0\n"
    elif options["create"]:
        script += require_parent(path)
    else:
        missing = fail(f"{path} does not exist in the image", "Say create: true if it is to be made")
        script += f"[ -e {where} ] || {missing}\n"
    script += require_program("perl", "perl-base")
    script += f'perl -- "$FILES/edit" {where} {state}\n'
    return (Run(script, contents={**contents, "edit": _PERL}),)


KIND = StepKind(
    name="line_in_file",
    description="""
        Take care that a file has a line, or that it has not, as M(ansible.builtin.lineinfile) does. The file keeps its
        owner and its permissions. The image's own Perl does it (package C(perl-base)), and the expressions are its.

        With O(state=present), the last line that O(regexp) fits is replaced by O(line). Where it fits none, and the
        file does not have the line yet, the line is put in its place by O(insert_after) or O(insert_before), or at the
        end.

        With O(state=absent), every line that O(regexp) fits is taken out, or without it every one that is O(line).
    """,
    options={
        "path": {"type": "str", "required": True, "description": "Absolute path of the file inside the image."},
        "line": {"type": "str", "description": "The line. With O(state=present) it has to be given."},
        "regexp": {
            "type": "str",
            "description": "Regular expression for the line to replace, or the lines to take out.",
        },
        "state": {
            "type": "str",
            "choices": ["present", "absent"],
            "default": "present",
            "description": "Whether the line has to be there.",
        },
        "insert_after": {
            "type": "str",
            "description": """
                Regular expression for the line that the new one follows, the last that it fits; or V(EOF), the end.
                Where it fits none, the new line comes last.
            """,
        },
        "insert_before": {
            "type": "str",
            "description": """
                Regular expression for the line that the new one precedes, the last that it fits; or V(BOF), the
                beginning. Where it fits none, the new line comes last.
            """,
        },
        "create": {
            "type": "bool",
            "default": False,
            "description": "Whether the file is made where it does not exist. Its directory has to exist.",
        },
    },
    rules={
        "mutually_exclusive": [["insert_after", "insert_before"]],
        "required_if": [["state", "present", ["line"]]],
        "required_one_of": [["line", "regexp"]],
    },
    check=_check,
    render=_render,
    example=r"""
        - line_in_file:
            path: /etc/ssh/sshd_config
            regexp: ^#?PasswordAuthentication\s
            line: PasswordAuthentication no
        - line_in_file:
            path: /etc/fstab
            regexp: \sswap\s
            state: absent
    """,
)
