# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image's host name."""

from __future__ import annotations

import re
import shlex

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run

# RFC 1123, section 2.1; Linux takes 64 bytes.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"(?=.{{1,64}}\Z){_LABEL}(?:\.{_LABEL})*")

# Debian's installer puts the name into /etc/hosts as well, at 127.0.1.1.
_SCRIPT = r"""
name=@NAME@
old=
if [ -f /etc/hostname ]; then read -r old </etc/hostname || :; fi
printf '%s\n' "$name" >/etc/hostname
if [ -n "$old" ] && [ -f /etc/hosts ]; then
    export name old
    perl -p -i -e 's/(?<!\S)\Q$ENV{old}\E(?!\S)/$ENV{name}/ if /^127\.0\.1\.1\s/' /etc/hosts
fi
"""


def _check(options: Options) -> Options:
    if not _HOSTNAME.fullmatch(options["name"]):
        raise BadRequestError(
            f"name is no host name: {options['name']!r}",
            "Use letters, digits and `-`, at most 63 between two dots and 64 in all",
        )
    return options


def _render(options: Options) -> tuple[Operation, ...]:
    return (Run(_SCRIPT.replace("@NAME@", shlex.quote(options["name"]))),)


KIND = StepKind(
    name="hostname",
    description="""
        Set the host name, in C(/etc/hostname) and, where C(/etc/hosts) has the old one at C(127.0.1.1), there.

        Every clone starts with it. In an image with cloud-init a host name from the metadata replaces it at boot.
    """,
    options={"name": {"type": "str", "required": True, "description": "The host name."}},
    check=_check,
    render=_render,
    example="""
        - hostname:
            name: build-base
    """,
)
