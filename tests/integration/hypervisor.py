# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirtd of the tests' own, which neither sees nor leaves anything of this machine's.

It runs in a mount namespace in which libvirt's directories are empty ones of the test. Its guests are emulated (TCG),
without an operating system: the firmware finds nothing to boot, and waits. One that has ``HEEDS_POWER_BUTTON`` on its
disk shuts itself down when it is asked to.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import libvirt

_OWN = ("etc/libvirt", "var/lib/libvirt", "var/cache/libvirt", "var/log/libvirt", "run/libvirt")
_START = """
set -e
directory="$1"
shift
for own in "$@"; do
    mkdir -p "/$own" "$directory/$own"
    mount --bind "$directory/$own" "/$own"
done
mount -t hugetlbfs none "$directory/hugepages"
exec libvirtd --config "$directory/libvirtd.conf" --pid-file "$directory/libvirtd.pid"
"""
# Nobody but root is to be asked; QEMU runs as the user who runs the tests, and writes its own log.
_LIBVIRTD = """
unix_sock_dir = "{directory}/sock"
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "3:file:{directory}/libvirtd.log"
"""
_QEMU = """
user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
remember_owner = 0
hugetlbfs_mount = "{directory}/hugepages"
"""

_XML = """
<domain type='qemu'>
  <name>{name}</name>
  <metadata><own:note xmlns:own="urn:own" own:k="1"><own:text>as it is</own:text></own:note></metadata>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>{vcpus}</vcpu>
  <iothreads>1</iothreads>
  {more}
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <graphics type='vnc' socket='{socket}' passwd='s3cret12'/>
    <serial type='null'/>
  </devices>
</domain>
"""

ACPI = "<features><acpi/></features>"
HEEDS_POWER_BUTTON = bytes.fromhex(
    "fb"  # sti
    "ba0206 b80001 ef"  # out 0x602, 0x100: let the power button be told of (PM1_EN of q35)
    "f4"  # wait: hlt, until the timer
    "ba0006 ed"  # in ax, 0x600: has it been pressed (PM1_STS)?
    "a90001 74f6"  # test ax, 0x100; jz wait
    "ba0406 b80020 ef"  # out 0x604, 0x2000: power off (PM1_CNT, SLP_EN)
    "f4 ebfd"  # hlt, for ever
).ljust(510, b"\0") + bytes.fromhex("55aa")
"""A boot sector. As much of an operating system as a graceful shutdown needs, with :data:`ACPI` in the domain."""


@dataclass
class Hypervisor:
    uri: str
    directory: Path
    process: subprocess.Popen[bytes]
    connection: t.Any = None

    def define(self, name: str, *, memory: int = 32, vcpus: int = 2, more: str = "", disk: bytes = b"") -> t.Any:
        """Define a domain with one small disk, which begins with ``disk``; returns libvirt's own."""
        return self.connection.defineXML(self.xml(name, memory=memory, vcpus=vcpus, more=more, content=disk))

    def xml(self, name: str, *, memory: int = 32, vcpus: int = 2, more: str = "", content: bytes = b"") -> str:
        disk = self.directory / "images" / f"{name}.raw"
        disk.parent.mkdir(exist_ok=True)
        disk.write_bytes(content.ljust(2**20, b"\0"))
        socket = self.directory / "sock" / f"{name}.vnc"
        return _XML.format(name=name, memory=memory, vcpus=vcpus, more=more, disk=disk, socket=socket)

    def connect(self) -> None:
        """Wait for the daemon, which needs a second or two."""
        deadline = time.monotonic() + 60
        while self.connection is None:
            try:
                self.connection = libvirt.open(self.uri)
            except libvirt.libvirtError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise AssertionError(f"libvirtd does not start: {self.log()}") from None
                time.sleep(0.2)

    def log(self) -> str:
        path = self.directory / "libvirtd.log"
        return path.read_text() if path.exists() else "it has written no log"

    def empty(self) -> None:
        """End and undefine every domain."""
        for domain in self.connection.listAllDomains():
            if domain.isActive():
                try:
                    domain.destroy()
                except libvirt.libvirtError:
                    # A daemon that has just been started may find the guest gone before it tells that it has ended it.
                    if domain.isActive():
                        raise
            with contextlib.suppress(libvirt.libvirtError):
                domain.undefine()

    def start_daemon(self) -> None:
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _START, "sh", str(self.directory), *_OWN]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        self.connect()

    def stop_daemon(self) -> None:
        """Guests go on without it."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        self.process.terminate()
        self.process.wait(timeout=30)


@contextlib.contextmanager
def running_hypervisor(directory: Path) -> Iterator[Hypervisor]:
    """A libvirtd that is ended with all its domains. Paths of sockets are short, so ``directory`` has to be."""
    for name in ("etc/libvirt", "sock", "hugepages"):
        (directory / name).mkdir(parents=True)
    (directory / "libvirtd.conf").write_text(_LIBVIRTD.format(directory=directory))
    (directory / "etc/libvirt/qemu.conf").write_text(_QEMU.format(directory=directory))
    libvirt.registerErrorHandler(lambda *dummy: None, None)
    uri = f"qemu+unix:///system?socket={directory}/sock/libvirt-sock"
    hypervisor = Hypervisor(uri, directory, subprocess.Popen(["true"]))
    hypervisor.process.wait()
    hypervisor.start_daemon()
    try:
        yield hypervisor
    finally:
        hypervisor.empty()
        hypervisor.stop_daemon()


def pid_of(domain: t.Any) -> int:
    """By QEMU's command line, not by what the collection says."""
    argv = ["pgrep", "-f", "--", f"-uuid {domain.UUIDString()}"]
    return int(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def affinities(domain: t.Any) -> dict[str, str]:
    """Of each thread of QEMU, by its name; the first one is called ``main``."""
    pid = pid_of(domain)
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        allowed = re.search(r"^Cpus_allowed_list:\s*(\S+)", (task / "status").read_text(), re.MULTILINE)
        assert allowed is not None
        name = "main" if task.name == str(pid) else (task / "comm").read_text().strip()
        found[name] = allowed[1]
    return found
