# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the steps that bring archives unpack them inside the image."""

from __future__ import annotations

import shlex

from .shell import require_accounts, require_directory, require_program

# Directories that are there keep owner and permissions: an archive of `.` must not make / its author's. A link to a
# directory, such as /lib, stays one.
_TAR = "tar --no-overwrite-dir --keep-directory-symlink"

# Names of what the archive brings, ended by NUL bytes, without the directories that are there.
_NEW = r"""
s/\n\z//;
s/\\([0-7]{3}|.)/my $c = $1; length($c) > 1 ? chr(oct $c) : $c =~ tr{abfnrtv}{\a\b\f\n\r\t\x0b}r/ge;
s{\A/+}{};
print "$_\0" if length && !-d;
"""

# By the first bytes; tar itself says little where the program is missing.
_PROGRAMS = """\
case $(head -c 4 -- "$archive" | od -A n -t x1) in
    ' 28 b5 2f fd') {zstd} ;;
    ' fd 37 7a 58') {xz} ;;
    ' 42 5a 68'*) {bzip2} ;;
esac
"""


def unpack(
    source: str, dest: str, owner: str = "", group: str = "", *, options: str = "", compressed: bool = False
) -> str:
    """A script that unpacks the tar archive of this name in ``$FILES`` below a directory, which has to exist.

    What it brings is given to ``owner`` and ``group`` where they are not empty.
    """
    script = require_directory(dest) + require_accounts(owner, group)
    script += f"archive=$FILES/{shlex.quote(source)}\ncd -- {shlex.quote(dest)}\n"
    if compressed:
        programs = {"zstd": "zstd", "xz": "xz-utils", "bzip2": "bzip2"}
        script += _PROGRAMS.format(**{name: require_program(name, programs[name]).strip() for name in programs})
    extract = f'{_TAR} {options}-x -f "$archive"\n'
    if not owner and not group:
        return script + extract
    to = shlex.quote(f"{owner}:{group}" if group else owner)
    return f"""\
{script}{require_program("perl", "perl-base")}\
tar {options}--show-transformed-names --quoting-style=escape -t -f "$archive" >"$FILES/names"
perl -n -e {shlex.quote(_NEW)} <"$FILES/names" >"$FILES/new"
{extract}xargs -0 -r chown -h -- {to} <"$FILES/new"
"""
