# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy that apt goes through."""

from __future__ import annotations

import re

from ...common.errors import BadRequestError
from .. import apt
from ..model import Options, StepKind
from ..operations import Operation, Run, Write

# Files of apt.conf.d are read in their order, and the last one counts.
_FOR_GOOD = "/etc/apt/apt.conf.d/95goldsmith-proxy"
_FOR_THE_BUILD = "/etc/apt/apt.conf.d/zz-goldsmith-build-proxy"
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def _check(options: Options) -> Options:
    checked = dict(options)
    for option in ("http", "https"):
        if option in options and options[option] != "DIRECT":
            checked[option] = apt.uri(option, options[option], ("http", "https", "socks5h"))
    for host in options["direct"]:
        if not _HOST.fullmatch(host):
            raise BadRequestError(f"direct has {host!r}, which is not the name of a host", "Write it without a port")
    return checked


def _render(options: Options) -> tuple[Operation, ...]:
    lines = [f'Acquire::{scheme}::Proxy "{options[scheme]}";\n' for scheme in ("http", "https") if scheme in options]
    for host in options["direct"]:
        lines += [f'Acquire::{scheme}::Proxy::{host} "DIRECT";\n' for scheme in ("http", "https")]
    return (Write("".join(lines), _FOR_GOOD if options["for_good"] else _FOR_THE_BUILD),)


def _finish(options: Options) -> tuple[Operation, ...]:
    return () if options["for_good"] else (Run(f"rm -f {_FOR_THE_BUILD}\n"),)


KIND = StepKind(
    name="apt_proxy",
    description="""
        Have apt go through a proxy from this step on: until the end of the build, or for good.

        It is for all steps that install packages, and goes before what the base has. A proxy that asks for a password
        cannot be given.
    """,
    options={
        "http": {
            "type": "str",
            "description": "For repositories with C(http), such as V(http://proxy.example.com:3142); or V(DIRECT).",
        },
        "https": {"type": "str", "description": "For repositories with C(https)."},
        "direct": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Hosts that are spoken to without the proxy.",
        },
        "for_good": {
            "type": "bool",
            "default": False,
            "description": """
                Whether the image keeps it, in C(/etc/apt/apt.conf.d/95goldsmith-proxy). If not, nothing of it is left
                in the image.
            """,
        },
    },
    rules={"required_one_of": [["http", "https"]]},
    example="""\
- apt_proxy:
    http: http://apt-cacher.example.com:3142
    https: DIRECT
- packages:
    upgrade: dist
""",
    check=_check,
    render=_render,
    finish=_finish,
)
