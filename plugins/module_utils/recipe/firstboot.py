# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts that a clone runs once, at its first boot: what several steps share.

The image gets one service and a directory of numbered scripts. Each script goes when it has succeeded.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from ..common.errors import BadRequestError
from .operations import Run
from .shell import fail

DIRECTORY = "/var/lib/goldsmith/firstboot"
UNIT = "goldsmith-firstboot.service"
RUNNER = "/usr/local/sbin/goldsmith-firstboot"
LOG = "/var/log/goldsmith-firstboot.log"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")

NAME_OPTION: Mapping[str, t.Any] = {
    "type": "str",
    "description": """
        What the script is called in the log: letters, digits, `_`, `.` and `-`. Two scripts may have the same name.
    """,
}
WHEN = f"""
        Scripts run one after another in the order of the recipe, after C(cloud-init) has ended and the network is
        online. What they print goes to the journal of C({UNIT}) and to C({LOG}).

        A script that succeeds is removed. One that fails leaves the service failed; it and those after it are tried at
        the next boot, or by C(systemctl restart {UNIT}). A script that was interrupted, as by a reboot, runs again.
"""
"""For the descriptions of steps."""

# cloud-final.service is after multi-user.target, which wants this service and would be after it by default: without
# multi-user.target in After= that is a cycle, and systemd would leave one of the services out. Package managers that
# start by themselves come later, so that scripts find dpkg's lock free.
_SERVICE = f"""\
[Unit]
Description=First-boot scripts of the image
ConditionDirectoryNotEmpty={DIRECTORY}
Wants=network-online.target
After=network-online.target time-sync.target cloud-final.service multi-user.target
Before=apt-daily.service apt-daily-upgrade.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={RUNNER}
Environment=HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
TimeoutStartSec=infinity
StandardOutput=journal+console

[Install]
WantedBy=multi-user.target
"""

# A script's output goes through a file, not a pipe: a daemon that it leaves behind would keep the pipe open.
_RUNNER = f"""\
#!/bin/sh
# Runs the first-boot scripts of the image, in their order; each is removed when it has succeeded.
set -eu
umask 022
cd /
log={LOG}
if [ ! -e "$log" ]; then install -m 0640 -g adm /dev/null "$log"; fi
for script in {DIRECTORY}/[0-9]*; do
    [ -f "$script" ] || continue
    name=${{script##*/}}
    begin=$(($(wc -c <"$log") + 1))
    echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $name begins" >>"$log"
    status=0
    if [ "$(head -c 2 "$script")" = '#!' ]; then
        "$script" </dev/null >>"$log" 2>&1 || status=$?
    else
        sh -e "$script" </dev/null >>"$log" 2>&1 || status=$?
    fi
    if [ "$status" = 0 ]; then
        rm -f "$script"
        sync
        end=succeeded
    else
        end="failed with status $status; it and those after it are tried at the next boot"
    fi
    echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $name $end" >>"$log"
    tail -c "+$begin" "$log"
    [ "$status" = 0 ] || exit 1
done
systemctl --no-reload disable {UNIT} >/dev/null 2>&1 || :
"""

_INSTALL = f"""\
command -v systemctl >/dev/null || {fail("the image has no systemd, which would run the script at the first boot")}
mkdir -p /usr/local/sbin /etc/systemd/system
mkdir -p {DIRECTORY}
install -T -m 0755 "$FILES/runner" {RUNNER}
install -T -m 0644 "$FILES/service" /etc/systemd/system/{UNIT}
last=0
for script in {DIRECTORY}/[0-9][0-9][0-9][0-9]-*; do
    if [ -e "$script" ]; then last=${{script##*/}} last=${{last%%-*}}; fi
done
while [ "${{last#0}}" != "$last" ]; do last=${{last#0}}; done
"""


def name(value: str) -> str:
    """What a script is called."""
    if not _NAME.fullmatch(value):
        raise BadRequestError(
            f"name is no name for a script: {value!r}",
            "Use up to 64 letters, digits, `_`, `.` and `-`, beginning with none of the last two",
        )
    return value


def install(called: str, *, text: str | None = None, src: str | None = None) -> Run:
    """Put a script, as text or as a file of the host, behind those that the image has already."""
    number = "$(printf %04d $((${last:-0} + 1)))"
    script = f'{_INSTALL}install -T -m 0755 "$FILES/script" "{DIRECTORY}/{number}-{called}"\n'
    # Offline, systemctl only makes the link.
    script += f"SYSTEMD_OFFLINE=1 systemctl enable -- {UNIT}\n"
    contents = {"runner": _RUNNER, "service": _SERVICE}
    if src is not None:
        return Run(script, files={"script": src}, contents=contents)
    return Run(script, contents={**contents, "script": text or ""})
