#!/usr/bin/python
# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: build_host_info
short_description: Tell what builds of golden images will use on a host, and what would stop them
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Looks for the programs of M(goldsmith.kvm.image_customize) and M(goldsmith.kvm.image_fetch), for the kernel that
    libguestfs takes for its appliance, and for the appliance's network.
  - Finds out whether KVM works, by starting a guest of 512 bytes. C(/dev/kvm) may be there and of no use.
  - Looks whether the directories may be written, and have room.
  - Everything is looked at with the rights of the user that the module runs as. Run it as the user who builds.
  - Nothing is changed. Directories that do not exist yet are not made.
notes:
  - The role P(goldsmith.kvm.build_host#role) repairs what this module finds.
  - Without KVM builds are slower, and possible, hence no problem unless O(accel=kvm).
extends_documentation_fragment:
  - goldsmith.kvm.attributes
  - goldsmith.kvm.attributes.info
  - goldsmith.kvm.attributes.actiongroup_kvm
options:
  store:
    description:
      - Directory of the store.
    type: path
    default: /var/lib/goldsmith
  dest_dirs:
    description:
      - Directories for golden images.
    type: list
    elements: path
    default: []
  min_free:
    description:
      - How much has to be free on the file system of O(store), and on that of each of O(dest_dirs).
      - V(0) for no demand.
    type: str
    default: 10G
  accel:
    description:
      - As the builds will have it. With V(kvm) it is a problem when KVM does not work; with V(tcg) nobody looks.
    type: str
    choices: [auto, kvm, tcg]
    default: auto
  network:
    description:
      - Whether builds will need the network.
    type: bool
    default: true
  launch:
    description:
      - Whether to start the appliance, with an empty disk, as the last proof. It takes seconds, and without KVM up to a
        minute. It leaves the appliance in libguestfs' cache, as every build does.
      - It is not started in check mode, nor where there are problems already.
    type: bool
    default: false
seealso:
  - module: goldsmith.kvm.image_customize
"""

EXAMPLES = r"""
- name: Is this host ready to build?
  goldsmith.kvm.build_host_info:
    dest_dirs: [/var/lib/libvirt/images/golden]
  register: found

- name: Show what stands in the way
  ansible.builtin.debug:
    msg: "{{ item.problem }}. {{ item.way_out }}."
  loop: "{{ found.problems }}"
  loop_control:
    label: "{{ item.problem }}"

- name: Insist on KVM, and on room for many images
  goldsmith.kvm.build_host_info:
    accel: kvm
    min_free: 200G
  register: strict
  failed_when: not strict.ready
  ignore_errors: true
"""

RETURN = r"""
ready:
  description: Whether nothing stands in the way of a build.
  returned: success
  type: bool
  sample: false
problems:
  description: What stands in the way.
  returned: success
  type: list
  elements: dict
  contains:
    problem:
      description: What is wrong.
      type: str
    way_out:
      description: What to do about it.
      type: str
  sample:
    - problem: 3.1 GiB are free on the file system of /var/lib/goldsmith, and 10 GiB are wanted
      way_out: Free some space, choose a directory on another file system, or want less by min_free
user:
  description: Whose builds were looked at.
  returned: success
  type: str
  sample: builder
tools:
  description: Programs and their versions; V(null) for one that is missing.
  returned: success
  type: dict
  sample:
    virt-customize: 1.52.0
    supermin: 5.2.2
    qemu-img: 8.2.2
    qemu-system-x86_64: 8.2.2
    gpgv: 2.4.4
    zstd: 1.5.5
    debugfs: 1.47.0
    sfdisk: 2.39.3
    xorriso: 1.5.6
    ssh: 9.6p1
accel:
  description: What will run the appliance, V(kvm) or V(tcg).
  returned: success
  type: str
  sample: tcg
accel_reason:
  description: Why it is that one.
  returned: success
  type: str
  sample: /dev/kvm is there but QEMU could not start a guest with it (failed to set MSR 0x10a to 0x0)
kernel:
  description: The kernel that supermin takes for the appliance; V(null) where there is none that the user may read.
  returned: success
  type: dict
  contains:
    path:
      description: The kernel.
      type: str
    modules:
      description: Directory of its modules.
      type: str
  sample:
    path: /boot/vmlinuz-6.8.0-45-generic
    modules: /lib/modules/6.8.0-45-generic
network:
  description: The appliance's network; V(null) with O(network=false), or where virt-customize is missing.
  returned: success
  type: dict
  contains:
    backend:
      description: V(passt), or V(slirp) for QEMU's own user network.
      type: str
    reason:
      description: Why it is that one.
      type: str
    dhcp_clients:
      description: DHCP clients that come into the appliance. It uses one of them.
      type: list
      elements: str
  sample:
    backend: slirp
    reason: passt is not installed
    dhcp_clients: [dhcpcd]
directories:
  description: O(store), each of O(dest_dirs), and the directory in which libguestfs keeps its appliance.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The directory.
      type: str
    purpose:
      description: V(store), V(destination) or V(appliance).
      type: str
    exists:
      description: Whether it is there. If not, what is said of it is true of the directory in which it would be made.
      type: bool
    writable:
      description: Whether the user may write there.
      type: bool
    free:
      description: Bytes that the user may still write to its file system.
      type: int
  sample:
    - path: /var/lib/goldsmith
      purpose: store
      exists: true
      writable: true
      free: 81166901248
launch_seconds:
  description: How long the appliance took to start; V(null) where it was not started.
  returned: success
  type: float
  sample: 4.2
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.runner import run_module
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.build_host import (
    build_host_argument_spec,
    inspect_build_host,
)


def main() -> None:
    module = AnsibleModule(argument_spec=build_host_argument_spec(), supports_check_mode=True)
    run_module(module, inspect_build_host)


if __name__ == "__main__":
    main()
