# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.disks import Disk, named_in

PERSISTENT = """\
<domain type='kvm'>
  <name>db-1</name>
  <os><kernel>/srv/boot/vmlinuz</kernel><nvram template='/usr/share/OVMF/VARS.fd'>/var/nvram/db-1.fd</nvram></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='/srv/db-1.qcow2'/><target dev='vda'/>
      <backingStore type='file'><format type='qcow2'/><source file='/srv/base.img'/><backingStore/></backingStore>
    </disk>
    <disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='/dev/vg/data'/></disk>
    <disk type='file' device='cdrom'><target dev='sda'/></disk>
    <disk type='volume' device='disk'><driver type='qcow2'/><source pool='default' volume='db-1.qcow2'/></disk>
    <disk type='network' device='disk'><driver type='raw'/><source protocol='rbd' name='pool/db-1'/></disk>
  </devices>
</domain>"""

STATUS = """\
<domstatus state='running'><vcpus/>
  <domain type='kvm' id='3'><name>web-1</name><devices>
    <disk type='file' device='disk'><driver type='qcow2'/><source file='/srv/web-1.qcow2'/>
      <mirror type='file' job='copy'><format type='qcow2'/><source file='/srv/copy.qcow2'/></mirror></disk>
  </devices></domain>
</domstatus>"""

SNAPSHOT = """\
<domainsnapshot><name>before-upgrade</name>
  <disks>
    <disk name='vda' snapshot='external' type='file'><driver type='qcow2'/><source file='/srv/new.qcow2'/></disk>
  </disks>
  <domain><name>web-1</name><devices>
    <disk type='file'><driver type='qcow2'/><source file='/srv/old.qcow2'/></disk>
  </devices></domain>
</domainsnapshot>"""


def test_a_domain_names_its_disks_and_other_files() -> None:
    named = named_in(PERSISTENT)

    assert named.domain == "db-1"
    assert named.disks == (
        Disk("qcow2", path="/srv/db-1.qcow2"),
        Disk("qcow2", path="/srv/base.img"),
        Disk("raw", path="/dev/vg/data"),
        Disk("qcow2", pool="default", volume="db-1.qcow2"),
        Disk("raw", network="rbd:pool/db-1"),
    )
    assert {"/srv/boot/vmlinuz", "/usr/share/OVMF/VARS.fd", "/var/nvram/db-1.fd"} <= named.paths


def test_a_running_domain_and_its_block_copy() -> None:
    named = named_in(STATUS)

    assert named.domain == "web-1"
    assert [disk.path for disk in named.disks] == ["/srv/web-1.qcow2", "/srv/copy.qcow2"]


def test_a_snapshot_names_what_was_before_and_after() -> None:
    named = named_in(SNAPSHOT)

    assert named.domain == "web-1"
    assert {disk.path for disk in named.disks} == {"/srv/new.qcow2", "/srv/old.qcow2"}


@pytest.mark.parametrize("text", ["", "<domain>", "no xml", "\udcff"])
def test_what_is_no_xml_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own words
        named_in(text)
