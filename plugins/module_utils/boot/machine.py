# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU in the background, and what sees to its end.

A shell supervises it. QEMU is ended when its lifetime is over, when the process that booted it is gone without having
said that it shall be kept, and when the supervisor is told to end or is killed. Then the directory is deleted, as soon
as nobody owns it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

from ..common.errors import CommandError
from ..common.host import Host
from .place import Place

_STOP_SECONDS = 20
_START_SECONDS = 10

_SUPERVISE = """\
if [ "$1" = start ]; then
    shift
    exec setsid --fork sh "$0" "$@" </dev/null >>"$1/qemu.log" 2>&1
fi
directory=$1 seconds=$2
shift 2
cd /
exec 8>"$directory/alive"
flock --nonblock 8 || exit
echo $$ >"$directory/pid"
# QEMU has descriptor 8 too: as long as either runs, the lock is held.
setpriv --pdeathsig TERM timeout --kill-after=5 "$seconds" setpriv --pdeathsig KILL "$@" &
qemu=$!
flock --shared "$directory/owner" sh -c '[ -e "$1/kept" ] || kill "$2"' sh "$directory" "$qemu" 8>&- &
watcher=$!
trap 'kill "$qemu"' TERM INT HUP
while kill -0 "$qemu" 2>/dev/null; do
    wait "$qemu"
    echo $? >"$directory/status"
done
kill "$watcher" 2>/dev/null
exec 8>&-
exec flock --shared "$directory/owner" flock --nonblock "$directory/alive" rm -rf -- "$directory"
"""


def start(host: Host, place: Place, argv: Sequence[str], lifetime: float) -> None:
    """Start QEMU by its argument list, for at most ``lifetime`` seconds. It may fail right after that."""
    host.require("setpriv", "util-linux")
    place.write(place.supervisor, _SUPERVISE)
    for path in (place.pid, place.said):
        # Of an earlier start.
        place.write(path, "")
    host.run(["sh", place.supervisor, "start", place.directory, str(int(lifetime)), *argv]).checked()
    deadline = time.monotonic() + _START_SECONDS
    while not place.read(place.pid).endswith(b"\n"):
        if time.monotonic() > deadline:
            raise CommandError(f"QEMU was not started within {_START_SECONDS} seconds: {said(place)}")
        time.sleep(0.02)


def stop(place: Place) -> None:
    """End QEMU and wait until it is gone. Raises CommandError when it does not go."""
    deadline = time.monotonic() + _STOP_SECONDS
    while place.is_alive():
        if time.monotonic() > deadline:
            pid = place.read(place.pid).decode("ascii", "replace").strip()
            raise CommandError(f"the guest in {place.directory} does not end", f"End it by: kill -9 {pid}")
        _signal(place)
        time.sleep(0.05)


def keep(place: Place) -> None:
    """Let the guest outlive this process."""
    os.close(os.open(place.kept, os.O_WRONLY | os.O_CREAT, 0o600))


def said(place: Place) -> str:
    """What QEMU printed: errors, where it failed, and who ended it."""
    return place.read(place.said).decode("utf-8", "replace").strip()


def powered_off(place: Place) -> bool:
    """Whether it was the guest that ended QEMU."""
    return place.read(place.status).strip() == b"0" and "terminating on signal" not in said(place)


def _signal(place: Place) -> None:
    """Tell the supervisor to end, if it is still the process of that number."""
    try:
        pid = int(place.read(place.pid))
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            ours = os.fsencode(place.directory) in file.read().split(b"\0")
        if ours:
            os.kill(pid, signal.SIGTERM)
    except (ValueError, FileNotFoundError, ProcessLookupError):
        pass
