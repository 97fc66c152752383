# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script by which the guest reports on its boot, and how it comes into the guest. Pure.

It is vendor data of the seed: a boothook, which cloud-init runs early, whatever the user data says. The hook leaves
the script to systemd; it waits for the end of the boot and then writes to a virtio-serial port. That needs no network,
no sshd and no login, and what the image's own services do to the console is not in its way.

A section is its name on a line, and its text on lines that begin with a blank.
"""

from __future__ import annotations

import shlex

from .qemu import REPORT_PORT

UNIT = "goldsmith-boot-report"
_STAMPS = "InitRDTimestampMonotonic,UserspaceTimestampMonotonic,FinishTimestampMonotonic"

_REPORT = """\
limit=@LIMIT@
key=@KEY@
port=/dev/virtio-ports/@PORT@
# Written to before udev has made it, it would be a file.
until [ -e "$port" ]; do sleep 1; done
echo begun >"$port"
while
    read -r up idle </proc/uptime
    case "$(systemctl is-system-running)" in initializing | starting) true ;; *) false ;; esac
do
    [ "${up%.*}" -lt "$limit" ] || break
    sleep 1
done
tell() {
    printf '%s\\n' "$1"
    shift
    "$@" 2>/dev/null | sed 's/^/ /'
}
failed_units() {
    systemctl list-units --failed --plain --no-legend | while read -r unit rest; do
        line="$(journalctl --quiet --no-pager -b -n 1 -o cat "_SYSTEMD_UNIT=$unit")"
        [ "$line" ] || line="$(journalctl --quiet --no-pager -b -n 1 -o cat -u "$unit")"
        printf '%s %s\\n' "$unit" "$(printf '%s' "$line" | tail -n 1)"
    done
}
ordering_cycles() {
    journalctl --quiet --no-pager -b -t systemd -o cat | grep -E 'ordering cycle|Found dependency|Unable to break cycle'
}
logins() {
    files="$(sshd -T | sed -n 's/^authorizedkeysfile //p')"
    getent passwd | while IFS=: read -r name password uid gid gecos home shell; do
        for file in ${files:-.ssh/authorized_keys}; do
            case "$file" in *%*) file="$(printf '%s' "$file" | sed "s|%h|$home|g; s|%u|$name|g")" ;; esac
            case "$file" in /*) ;; *) file="$home/$file" ;; esac
            [ -f "$file" ] || continue
            # Where cloud-init keeps somebody out, a command stands before the key.
            grep -F "$key" "$file" | grep -v command= | sed -n "1s|.*|$name|p"
        done
    done
}
{
    tell state systemctl is-system-running
    tell jobs systemctl list-jobs --plain --no-legend --full
    tell stamps systemctl show --property @STAMPS@
    tell cloud-init-status cat /run/cloud-init/status.json
    tell cloud-init-log grep -E '\\[(WARNING|ERROR|CRITICAL)\\]: ' /var/log/cloud-init.log
    tell failed-units failed_units
    tell ordering-cycles ordering_cycles
    tell kernel uname -r
    tell machine-id cat /etc/machine-id
    tell links ip -o link
    tell addresses ip -o address show scope global
    tell sshd systemctl is-active ssh.service ssh.socket sshd.service sshd.socket
    tell host-keys sh -c 'cat /etc/ssh/ssh_host_*_key.pub'
    tell logins logins
    tell disk df -B1 --output=size,avail /
    tell uptime cat /proc/uptime
    echo end
} >"$port"
"""

_HOOK = """\
#cloud-boothook
#!/bin/sh
# Of a boot check: reports through a virtio-serial port. All of it is in memory.
modprobe virtio_console 2>/dev/null
cat >@PATH@ <<'END OF REPORT'
@SCRIPT@END OF REPORT
# A file, because systemd would replace variables in an argument. And without dependencies: by default it would wait for
# sysinit.target, as that waits for this stage of cloud-init.
exec systemd-run --quiet --no-block --unit @UNIT@ --property DefaultDependencies=no sh @PATH@
"""
_PATH = f"/run/{UNIT}"


def script(public_key: str, limit: int) -> str:
    """What runs in the guest.

    ``limit``: the seconds after the kernel's start at which it reports in any case, however far the boot is.
    """
    filled = _REPORT.replace("@LIMIT@", str(limit)).replace("@KEY@", shlex.quote(public_key.split()[1]))
    return filled.replace("@STAMPS@", _STAMPS).replace("@PORT@", REPORT_PORT)


def vendor_data(public_key: str, limit: int) -> bytes:
    """Vendor data that makes the guest report."""
    return (
        _HOOK.replace("@UNIT@", UNIT).replace("@PATH@", _PATH).replace("@SCRIPT@", script(public_key, limit)).encode()
    )
