# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network for guests as libvirt makes them: a bridge, and dnsmasq, which gives addresses. Needs root.

It is in a network namespace of its own, which ends with the process that holds it, and so does all that is in it.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .booting import Join

_SECONDS = 15
_SET_UP = """\
directory=$1 ports=$2
ip link set lo up
ip link add bridge type bridge
ip address add 192.0.2.1/24 dev bridge
ip link set bridge up
for port in $(seq "$ports"); do
    ip tuntap add "tap$port" mode tap
    ip link set "tap$port" master bridge up
done
exec setpriv --pdeathsig KILL dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= --port=0 \
    --interface=bridge --bind-interfaces --dhcp-authoritative --dhcp-range=192.0.2.10,192.0.2.200 \
    --dhcp-leasefile="$directory/leases" --log-facility="$directory/log" --log-dhcp
"""


@dataclass(frozen=True)
class Lease:
    """An address that dnsmasq gave, and what for."""

    mac: str
    address: str
    client_id: str


@dataclass(frozen=True)
class Lan:
    """``ports`` guests may join."""

    pid: int
    directory: Path

    def port(self, number: int) -> Join:
        """Joins a machine to port ``number``, from 1 on, with a MAC address of its own, as libvirt gives each."""

        def join(argv: list[str]) -> list[str]:
            card = f"tap,ifname=tap{number},script=no,downscript=no,model=virtio-net-pci"
            mac = f"52:54:00:00:00:{number:02x}"
            return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *argv, "-nic", f"{card},mac={mac}"]

        return join

    def leases(self) -> Sequence[Lease]:
        """What dnsmasq noted (its manual: expiry, MAC address, address, name, client id)."""
        rows = [line.split() for line in (self.directory / "leases").read_text().splitlines()]
        return [Lease(row[1], row[2], row[4]) for row in rows if len(row) == 5]


@contextlib.contextmanager
def lan(directory: Path, ports: int) -> Iterator[Lan]:
    """A network with so many ports, until the end of the ``with``."""
    argv = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sh", "-euc", _SET_UP, "sh", directory, str(ports)]
    with subprocess.Popen(argv) as server:
        try:
            end = time.monotonic() + _SECONDS
            while not (directory / "log").exists():
                if server.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("dnsmasq did not start")
                time.sleep(0.05)
            yield Lan(server.pid, directory)
        finally:
            server.kill()
