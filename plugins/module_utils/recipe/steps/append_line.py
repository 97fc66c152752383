# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line at the end of a file."""

from __future__ import annotations

import shlex

from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import fail, require_parent
from ..values import file_path, text_line


def _check(options: Options) -> Options:
    return {"path": file_path("path", options["path"]), "line": text_line("line", options["line"])}


def _render(options: Options) -> tuple[Operation, ...]:
    path = options["path"]
    is_directory = fail(f"{path} is a directory in the image, and has to be a file")
    script = require_parent(path)
    script += f"[ ! -d {shlex.quote(path)} ] || {is_directory}\n"
    script += f"file={shlex.quote(path)}\nline={shlex.quote(options['line'])}\n"
    return (Run(script + _SCRIPT),)


# As virt-customize, it goes by the first line when it guesses what ends a line.
_SCRIPT = r"""
end='\n'
if [ -s "$file" ]; then
    first=
    IFS= read -r first <"$file" || :
    case $first in *"$(printf '\r')") end='\r\n' ;; esac
    if [ -n "$(tail -c 1 -- "$file")" ]; then printf "$end" >>"$file"; fi
fi
printf "%s$end" "$line" >>"$file"
"""


KIND = StepKind(
    name="append_line",
    description="""
        Append a line to a file, which is made where it does not exist; its directory has to.

        Where the file does not end with a line break, one is added first. Line breaks are those of the file: of DOS
        where its first line has them.

        The line is appended whether or not the file has it already. For a line that is to be there once, use the step
        C(line_in_file).
    """,
    options={
        "path": {"type": "str", "required": True, "description": "Absolute path of the file inside the image."},
        "line": {"type": "str", "required": True, "description": "The line. It may be empty."},
    },
    check=_check,
    render=_render,
    example="""
        - append_line:
            path: /etc/hosts
            line: 192.0.2.10 registry.example.com
    """,
)
