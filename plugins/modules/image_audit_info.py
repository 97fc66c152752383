#!/usr/bin/python
# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_audit_info
short_description: Look into a disk image for what clones must not share, and nobody must find
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Reads the files of a finished image and searches the whole disk, free blocks and all, for secrets. It tells of each
    rule whether the image keeps it, and what it found. The guide L(Audit an image,
    https://github.com/goldsmith/goldsmith.kvm/blob/main/docs/audit.md) has every rule and its reason.
  - Nothing is started, mounted or written to the image. No root is needed, only the right to read the file.
  - What it finds is no failure of the task. See RV(passed).
notes:
  - Needs C(qemu-img) (package C(qemu-utils)), C(debugfs) (C(e2fsprogs)), C(sfdisk) (C(fdisk)) and C(blkid)
    (C(util-linux)).
  - A root that is not on C(ext2), C(ext3) or C(ext4) cannot be read, and the task fails. What cannot be read is not
    proved to be free of anything. Of other file systems the rule V(unread) tells, or the task fails, if O(rules) does
    not name it.
extends_documentation_fragment:
  - goldsmith.kvm.attributes
  - goldsmith.kvm.attributes.info
  - goldsmith.kvm.attributes.actiongroup_kvm
options:
  path:
    description:
      - The image, with all that it may lie over. Of a link, the file that it leads to.
    type: path
    required: true
  format:
    description:
      - The image's format, as QEMU calls it. Without it, the first bytes of the file tell.
      - Set V(raw) for a raw disk that a guest was able to write to. It can make its disk look like another format that
        names files of this host.
    type: str
    choices: [qcow2, raw, vmdk, vhdx, vpc, vdi, qcow, qed]
  rules:
    description:
      - The rules that are wanted.
    type: list
    elements: str
    choices:
      - secrets
      - authorized_keys
      - passwords
      - world_writable
      - unread
      - snapshots
      - machine_id
      - dbus_machine_id
      - ssh_host_keys
      - cloud_init
      - cloud_init_seed
      - dhcp_leases
      - random_seed
      - network
      - host_ids
      - credentials
      - histories
      - logs
      - apt_lists
      - apt_archives
      - temporary
      - mail
      - build
    default:
      - secrets
      - authorized_keys
      - passwords
      - world_writable
      - unread
      - snapshots
      - machine_id
      - dbus_machine_id
      - ssh_host_keys
      - cloud_init
      - cloud_init_seed
      - dhcp_leases
      - random_seed
      - network
      - host_ids
      - credentials
      - histories
      - logs
      - apt_lists
      - apt_archives
      - temporary
      - mail
      - build
  generalised:
    description:
      - Whether the image is made to be cloned. If not, what a machine's own life leaves is told, and does not count.
        The rules V(secrets), V(authorized_keys), V(passwords), V(world_writable), V(unread), V(snapshots) and V(build)
        count in any case.
    type: bool
    default: true
  passwords:
    description:
      - Users who are meant to have a password.
    type: list
    elements: str
    default: []
  authorized_keys:
    description:
      - Public keys that are meant to be there, by user. Each value is a list of lines, or the text of a file.
    type: dict
    default: {}
  files:
    description:
      - Files that are meant to be there, such as V(/etc/ssh/ssh_host_rsa_key) in an image of which no clones are made.
        C(*) and C(?) are wildcards, which match slashes as well.
    type: list
    elements: str
    default: []
  secrets:
    description:
      - Texts that must not be in the image, by the names that the report is to call them.
      - They are looked for as they are, in base64, as URLs and JSON escape them, and in UTF-16; long ones by their
        parts. Those of fewer than 6 characters are not looked for, with a warning, and are in RV(not_searched).
    type: dict
    default: {}
  allow:
    description:
      - Exceptions, each with its reason.
    type: list
    elements: dict
    default: []
    suboptions:
      rule:
        description:
          - Name of the rule.
        type: str
        required: true
      paths:
        description:
          - The files that it is meant for, as in O(files). Without it, all that the rule finds.
        type: list
        elements: str
        default: ["*"]
      reason:
        description:
          - Why the exception is right, for those who read the report.
        type: str
        required: true
  workdir:
    description:
      - Directory for a raw copy, which takes as much room as the data in the disk. It has no name, and is gone with the
        module, however that ends.
    type: path
    default: /var/tmp
seealso:
  - module: goldsmith.kvm.image_customize
  - module: goldsmith.kvm.image_info
"""

EXAMPLES = r"""
- name: Is the golden image fit to be cloned?
  goldsmith.kvm.image_audit_info:
    path: /var/lib/libvirt/images/golden/noble-web.qcow2
    passwords: [root]
    authorized_keys:
      ops:
        - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com
    secrets:
      download token: "{{ vault_download_token }}"
    allow:
      - rule: world_writable
        paths: [/srv/exchange]
        reason: everybody may put files there, and nothing is run from it
  register: audited
  failed_when: not audited.passed

- name: Look for secrets alone
  goldsmith.kvm.image_audit_info:
    path: /var/lib/libvirt/images/golden/noble-web.qcow2
    rules: [secrets]
    secrets:
      download token: "{{ vault_download_token }}"
"""

RETURN = r"""
path:
  description: The image that was read.
  returned: success
  type: str
  sample: /var/lib/libvirt/images/golden/noble-web-20260905-3f8a12cd.qcow2
passed:
  description: Whether no rule that counts was broken.
  returned: success
  type: bool
  sample: false
rules:
  description: What came of each rule.
  returned: success
  type: list
  elements: dict
  contains:
    rule:
      description: Its name.
      type: str
    status:
      description:
        - V(passed), or V(failed).
        - V(allowed) where all that was found is allowed; V(told) where it does not count, because the image is not
          O(generalised).
      type: str
    count:
      description: How many findings there are that are not allowed.
      type: int
    findings:
      description: The first 20 of them.
      type: list
      elements: dict
      contains:
        path:
          description: The file in the image; empty where it is in none.
          type: str
        detail:
          description: What is wrong with it.
          type: str
    allowed:
      description: The first 20 that are allowed, as in C(findings), with the C(reason).
      type: list
      elements: dict
    way_out:
      description: What to do, of a rule that failed.
      type: str
  sample:
    - rule: ssh_host_keys
      status: failed
      count: 1
      findings:
        - path: /etc/ssh/ssh_host_ed25519_key
          detail: is a host key that all clones would have
      allowed: []
      way_out: Let the step generalise be the last of the recipe. Dropbear's keys are taken out by a step delete
unused_exceptions:
  description: Those of O(allow) that nothing needed.
  returned: success
  type: list
  elements: dict
  sample: []
not_searched:
  description: Names of secrets that are too short to be looked for.
  returned: success
  type: list
  elements: str
  sample: []
report:
  description: The same for people, line by line.
  returned: success
  type: list
  elements: str
  sample:
    - "passed  secrets"
    - "failed  ssh_host_keys (1)"
    - "          /etc/ssh/ssh_host_ed25519_key is a host key that all clones would have"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.runner import run_module
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.audit import audit_info, audit_info_spec


def main() -> None:
    run_module(AnsibleModule(argument_spec=audit_info_spec(), supports_check_mode=True), audit_info)


if __name__ == "__main__":
    main()
