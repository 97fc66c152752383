# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories taken away."""

from __future__ import annotations

from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import pattern_words
from ..values import path_pattern


def _check(options: Options) -> Options:
    return {"path": path_pattern("path", options["path"])}


def _render(options: Options) -> tuple[Operation, ...]:
    # A pattern that fits nothing stays as it is, and `-f` takes no offence. `.*` also fits `.` and `..`.
    script = f"""\
for path in {pattern_words(options["path"])}; do
    case $path in */. | */..) ;; *) set -- "$@" "$path" ;; esac
done
rm -rf -- "$@"
"""
    return (Run(script),)


KIND = StepKind(
    name="delete",
    description="""
        Delete a file, or a directory with all that is in it. What does not exist is no error.

        The data can be read from the disk until it is overwritten. See the step C(scrub).
    """,
    options={
        "path": {
            "type": "str",
            "required": True,
            "description": """
                Absolute path inside the image. It may have the wildcards C(*), C(?) and C([…]), which do not fit names
                that begin with a dot, and alternatives in braces, as in V(/var/log/*.{gz,old}); a backslash takes the
                meaning from any of these. With a slash at the end only directories are meant.
            """,
        },
    },
    check=_check,
    render=_render,
    example=r"""
        - delete:
            path: /var/log/*.{gz,old}
    """,
)
