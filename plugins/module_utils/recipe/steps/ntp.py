# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the system's time comes from."""

from __future__ import annotations

import re

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import fail

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._-]+)?")
_OPTIONS = ("servers", "pools", "fallback")

# Debian's chrony reads sources.d since 4.0. The sources that it came with would be asked beside the new ones.
_SCRIPT = f"""\
if command -v chronyd >/dev/null; then
    [ ! -s "$FILES/fallback" ] || {fail("the image has chrony, which knows no fallback servers: leave out fallback")}
    mkdir -p /etc/chrony/sources.d
    for file in /etc/chrony/chrony.conf /etc/chrony/conf.d/*.conf /etc/chrony/sources.d/*.sources; do
        if [ -f "$file" ]; then sed -E -i 's/^ *(pool|server|peer) /#&/' "$file"; fi
    done
    if ! grep -q -E '^ *sourcedir +/etc/chrony/sources.d *$' /etc/chrony/chrony.conf; then
        echo 'sourcedir /etc/chrony/sources.d' >>/etc/chrony/chrony.conf
    fi
    install -T -m 0644 "$FILES/chrony" /etc/chrony/sources.d/goldsmith.sources
    unit=chrony.service
elif [ -x /lib/systemd/systemd-timesyncd ]; then
    mkdir -p /etc/systemd/timesyncd.conf.d
    install -T -m 0644 "$FILES/timesyncd" /etc/systemd/timesyncd.conf.d/goldsmith.conf
    unit=systemd-timesyncd.service
else
    {fail("the image has neither chrony nor systemd-timesyncd: install one by a step packages before this one")}
fi
SYSTEMD_OFFLINE=1 systemctl enable -- "$unit"
"""


def _check(options: Options) -> Options:
    for option in _OPTIONS:
        for host in options[option]:
            if not _HOST.fullmatch(host):
                raise BadRequestError(f"{option} has {host!r}, which is neither the name of a host nor an address")
    if not options["servers"] and not options["pools"] and not options["fallback"]:
        raise BadRequestError("there is nothing to do", "Give servers, pools or fallback")
    return options


def _render(options: Options) -> tuple[Operation, ...]:
    servers, pools, fallback = (options[option] for option in _OPTIONS)
    timesyncd = "[Time]\n"
    if servers or pools:
        timesyncd += f"NTP={' '.join([*servers, *pools])}\n"
    if fallback:
        timesyncd += f"FallbackNTP={' '.join(fallback)}\n"
    chrony = "".join(f"server {host} iburst\n" for host in servers)
    chrony += "".join(f"pool {host} iburst\n" for host in pools)
    return (Run(_SCRIPT, contents={"timesyncd": timesyncd, "chrony": chrony, "fallback": " ".join(fallback)}),)


KIND = StepKind(
    name="ntp",
    description="""
        Say which servers the system takes its time from, and have that begin at boot.

        It is for C(chrony) where the image has that, otherwise for C(systemd-timesyncd). The servers that C(chrony)
        came with are commented out in its configuration; a later step C(ntp) replaces what an earlier one named.
    """,
    options={
        "servers": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Names or addresses of servers.",
        },
        "pools": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Names that stand for several servers each. C(systemd-timesyncd) makes no difference.",
        },
        "fallback": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": """
                Servers of C(systemd-timesyncd) to ask where no others are known, neither from here nor from the
                network.
            """,
        },
    },
    check=_check,
    render=_render,
    example="""\
- ntp:
    servers: [ntp1.example.com, ntp2.example.com]
""",
)
