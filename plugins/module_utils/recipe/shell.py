# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of POSIX shell that the scripts of several steps share."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


def authorized_keys(name: str, keys: Sequence[str]) -> str:
    """Add public keys to those of a user that exists."""
    return f"""\
home=$(getent passwd {name} | cut -d : -f 6)
group=$(id -g {name})
[ -d "$home" ] || install -d -m 0750 -o {name} -g "$group" "$home"
install -d -m 0700 -o {name} -g "$group" "$home/.ssh"
file=$home/.ssh/authorized_keys
[ -e "$file" ] || install -m 0600 -o {name} -g "$group" /dev/null "$file"
if [ -n "$(tail -c 1 "$file")" ]; then echo >>"$file"; fi
for key in {shlex.join(keys)}; do
    grep -qxF -e "$key" "$file" || printf '%s\\n' "$key" >>"$file"
done
"""
