#!/usr/bin/python
# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: seed_iso
short_description: Write a NoCloud seed, from which a guest's cloud-init takes its configuration
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Writes an ISO 9660 image with the label C(cidata). C(cloud-init) in a guest that has it as a CD-ROM or as a disk
    reads its user data, its name and its network from there.
  - The files in it are given as dictionaries, or as texts, for example by the lookup plugin
    P(ansible.builtin.template#lookup).
  - What C(cloud-init) would ignore is refused, with line and column where that helps. That is broken YAML, and user
    data whose first line does not tell what it is.
  - The same seed is always the same bytes, whenever and wherever it is written, by the same version of C(xorriso).
  - The file is compared by what is in it. When that is right nothing is written, also if another program made it.
  - A file that is no seed is never overwritten or deleted.
  - No file in the seed is larger than 16 MiB.
extends_documentation_fragment:
  - goldsmith.kvm.attributes
  - goldsmith.kvm.attributes.actiongroup_kvm
  - ansible.builtin.files
attributes:
  check_mode:
    support: full
    details:
      - Without C(xorriso), or without a directory that can be written, there is a warning.
  diff_mode:
    support: partial
    details:
      - It names the files of the seed that differ. Their contents are not shown, because any of them may hold secrets.
  idempotent:
    support: full
options:
  path:
    description:
      - The seed's file. Its directory has to be there.
      - A symbolic link is followed.
    type: path
    required: true
  state:
    description:
      - V(absent) deletes the seed.
    type: str
    choices: [present, absent]
    default: present
  user_data:
    description:
      - What the guest is to be, as a dictionary of cloud-config or as a text.
      - >-
        A dictionary gets the first line C(#cloud-config). A text has to begin with it, or with another line that
        C(cloud-init) knows, such as C(#!/bin/sh), C(#include), C(#cloud-boothook), C(#cloud-config-archive) or
        C(## template: jinja); or it is a MIME message.
      - Without it there is an empty cloud-config, so that the guest gets the defaults of its image.
    type: raw
  meta_data:
    description:
      - What the guest is told of itself, as a dictionary or as a text of YAML.
      - A dictionary gets C(instance-id) and C(local-hostname) from O(instance_id) and O(local_hostname).
      - A text has to have C(instance-id) in it, or C(seedfrom). Without one, all guests are the same to C(cloud-init).
    type: raw
  instance_id:
    description:
      - C(cloud-init) takes a guest whose instance id is another than at its last boot for a new one. It then makes new
        host keys, and does everything again that it does once.
      - Without it, it is the name of the file at O(path) without its suffix, unless O(meta_data) has one. It stays the
        same when other data change, so a guest that has booted does not take all of the change.
    type: str
  local_hostname:
    description:
      - The guest's host name, with or without a domain.
    type: str
  network_config:
    description:
      - The guest's network, as a dictionary or as a text of YAML. V(version=2) is what netplan has, V(version=1) is
        C(cloud-init)'s older form.
      - C(network:) around all, as in netplan's own files, is taken off a dictionary, and refused in a text. Not every
        C(cloud-init) takes it in a seed.
      - Without it the guest has DHCP on its first interface.
    type: raw
  vendor_data:
    description:
      - As O(user_data). What that says has precedence.
    type: raw
  schema:
    description:
      - Whether the cloud-config in O(user_data) and O(vendor_data) is held against the schema of the C(cloud-init) of
        the host where the module runs, and O(network_config), too, if that version can.
      - V(auto) warns of what is wrong, where C(cloud-init) is installed. It may be of another version than the guest's.
      - V(require) fails where something is wrong, or where C(cloud-init) is not installed.
      - Values are left out of what is said; only keys are shown.
    type: str
    choices: [auto, require, "off"]
    default: auto
  mode:
    description:
      - Permissions of the seed's file. It may hold secrets. Libvirt gives the file to QEMU's user while a guest runs.
    default: "0600"
notes:
  - Needs C(xorriso) (package C(xorriso)) on the target.
  - The contents are in no log, no result and no argument list. Whoever can read the file can read them, and so can
    root in the guest, as long as the seed is attached.
  - A guest that has a seed open goes on with the old content. It sees the new one when its disk is attached anew.
seealso:
  - module: goldsmith.kvm.image_customize
  - name: cloud-init's NoCloud datasource
    description: What the files mean to cloud-init.
    link: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
"""

EXAMPLES = r"""
- name: A guest with a user, a name, and an address of its own
  goldsmith.kvm.seed_iso:
    path: /var/lib/libvirt/images/web-1-seed.iso
    instance_id: web-1
    local_hostname: web-1.example.com
    user_data:
      users:
        - name: ops
          sudo: "ALL=(ALL) NOPASSWD:ALL"
          shell: /bin/bash
          ssh_authorized_keys:
            - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com
      package_update: false
    network_config:
      version: 2
      ethernets:
        all:
          match: {name: "en*"}
          addresses: [192.0.2.10/24]
          routes: [{to: default, via: 192.0.2.1}]
          nameservers: {addresses: [192.0.2.1]}
  become: true

- name: A script in place of cloud-config
  goldsmith.kvm.seed_iso:
    path: /var/lib/libvirt/images/job-1-seed.iso
    user_data: |
      #!/bin/sh
      echo "Hello from $(hostname)" >/dev/console
  become: true

- name: The guest has booted, and nobody shall find its secrets
  goldsmith.kvm.seed_iso:
    path: /var/lib/libvirt/images/web-1-seed.iso
    state: absent
  become: true
"""

RETURN = r"""
path:
  description: The seed's file.
  returned: success
  type: str
  sample: /var/lib/libvirt/images/web-1-seed.iso
files:
  description: Names of the files in the seed.
  returned: with O(state=present)
  type: list
  elements: str
  sample: [meta-data, network-config, user-data]
differing:
  description: Names of the files that were not there, were other, or were too many.
  returned: with O(state=present)
  type: list
  elements: str
  sample: [user-data]
schema:
  description: What C(cloud-init) on the target said of the seed.
  returned: with O(state=present)
  type: dict
  contains:
    checked:
      description: Names of the files that were held against a schema.
      type: list
      elements: str
    errors:
      description: What is wrong, by the name of the file, without values.
      type: dict
  sample:
    checked: [user-data]
    errors:
      user-data: "users.0.sudoo: Additional properties are not allowed ('sudoo' was unexpected)"
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.file_attributes import ModuleAttributes
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.runner import run_module
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.seed import make_seed, seed_argument_spec


def main() -> None:
    module = AnsibleModule(
        argument_spec=seed_argument_spec(),
        supports_check_mode=True,
        add_file_common_args=True,
    )
    run_module(module, partial(make_seed, attributes=ModuleAttributes(module)))


if __name__ == "__main__":
    main()
