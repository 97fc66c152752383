# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests of the tests' own libvirtd.

They are without an operating system: the firmware finds nothing to boot, and waits. One that has
``HEEDS_POWER_BUTTON`` on its disk shuts itself down when it is asked to.
"""

from __future__ import annotations

import re
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.goldsmith.kvm.tests.fixtures import hypervisor

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


class Hypervisor(hypervisor.Hypervisor):
    """The tests' own libvirtd, with guests that are small and quick."""

    def define(self, name: str, *, memory: int = 32, vcpus: int = 2, more: str = "", disk: bytes = b"") -> t.Any:
        """Define a domain with one small disk, which begins with ``disk``; returns libvirt's own."""
        return self.connection.defineXML(self.xml(name, memory=memory, vcpus=vcpus, more=more, content=disk))

    def xml(self, name: str, *, memory: int = 32, vcpus: int = 2, more: str = "", content: bytes = b"") -> str:
        disk = self.directory / "images" / f"{name}.raw"
        disk.parent.mkdir(exist_ok=True)
        disk.write_bytes(content.ljust(2**20, b"\0"))
        socket = self.directory / "sock" / f"{name}.vnc"
        return _XML.format(name=name, memory=memory, vcpus=vcpus, more=more, disk=disk, socket=socket)


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
