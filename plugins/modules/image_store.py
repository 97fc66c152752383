#!/usr/bin/python
# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_store
short_description: List and prune the store of verified images, and prune superseded golden images
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Lists the images that M(goldsmith.kvm.image_fetch) has put into the store, with their proof, when they were last
    used, and which golden images were made from them.
  - Deletes, when asked to, those that are no longer needed, files that steps of M(goldsmith.kvm.image_customize) had
    put in and logs of its builds that failed, and what killed runs have left.
  - Deletes, when asked to with O(golden), golden images that newer ones have superseded, with all that lies beside
    them.
  - An image that an existing golden image was made from is never deleted, nor one that is in the backing chain of a
    disk of any domain (running or not, snapshots included) or of a build that is under way. The same is true of golden
    images and of what was made of them.
  - Domains are found by libvirt's definition files, and by C(virsh) where that gets an answer. The Python bindings of
    libvirt are not needed. If the backing chain of any domain cannot be read, no image is deleted, and a warning says
    so.
extends_documentation_fragment:
  - goldsmith.kvm.attributes
  - goldsmith.kvm.attributes.actiongroup_kvm
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  store:
    description:
      - Directory of the store. One that does not exist holds nothing.
    type: path
    default: /var/lib/goldsmith
  state:
    description:
      - V(listed) changes nothing.
      - V(pruned) deletes the images that neither O(keep) nor O(age) keeps and that nothing needs. With neither of both,
        only incomplete downloads and abandoned build directories are deleted, and what O(golden) says.
    type: str
    choices: [listed, pruned]
    default: listed
  keep:
    description:
      - How many images of each product to keep, the newest serials.
      - Used with O(state=pruned).
    type: int
  age:
    description:
      - Keep what has been used within this time, such as V(30d), V(2w) or V(12h).
      - Files that steps put into images, which may be secrets, and logs of failed builds go by it as well. A file that
        is wanted again is sent again.
      - Golden images do not go by it, but those do that failed their checks; see O(golden).
      - With O(keep) as well, an image has to be both superseded and unused to be deleted.
      - Used with O(state=pruned).
    type: str
  golden:
    description:
      - Deletes golden images that M(goldsmith.kvm.image_customize) has published with this store and that newer ones of
        the same name in the same directory have superseded.
      - With an image go its record, its log, and every other file beside it whose name begins with that of the image
        without C(.qcow2), and a dot, such as converted images, checksums and bills of materials.
      - All of them stay if a domain or a build holds any of them, if a process has any of them open, if a link in the
        same directory leads to any of them, or if the image was changed after it was published. A name of which a build
        is under way is left for the next time. RV(kept_golden) has the reasons.
      - An image that was built and failed its checks, C(NAME-….failed.qcow2), or could not be checked,
        C(NAME-….unchecked.qcow2), and what lies beside it, goes once a newer image of its name was published, or when
        it is older than O(age).
      - Domains of other hosts are not known. Where such use the directory over the network, put a link to each image
        that they use into it, or do not prune.
      - Used with O(state=pruned).
    type: dict
    suboptions:
      keep:
        description:
          - How many images of each name stay, those that were built last. The one that the link leads to stays in any
            case, and if it leads nowhere, the newest.
          - V(0) keeps no more than that.
        type: int
        required: true
      dest_dir:
        description:
          - Only the images in this directory are meant. All of them by default, wherever they are, as the store has
            noted where it has published them.
        type: path
      name:
        description:
          - Only images of this name are meant; O(golden.name=noble) does not mean those of C(noble-web).
        type: str
      image:
        description:
          - RV(goldsmith.kvm.image_customize#module:image) of an earlier task, in place of O(golden.dest_dir) and
            O(golden.name).
          - In check mode, an image that this task would have built counts as the newest, so that the answer is what the
            run will do.
        type: dict
notes:
  - Finding the backing chains of qcow2 disks needs C(qemu-img) (package C(qemu-utils)) and, as a rule, root.
seealso:
  - module: goldsmith.kvm.image_fetch
  - module: goldsmith.kvm.image_customize
"""

EXAMPLES = r"""
- name: See what the store holds
  goldsmith.kvm.image_store:
  become: true
  register: held

- name: Show the golden images that were made from each image
  ansible.builtin.debug:
    msg: "{{ item.sources[0].product }} {{ item.sources[0].serial }}: {{ item.golden_images | join(', ') }}"
  loop: "{{ held.images }}"
  loop_control:
    label: "{{ item.digest }}"

- name: Keep the two newest images of each product, and all that were used within a month
  goldsmith.kvm.image_store:
    state: pruned
    keep: 2
    age: 30d
  become: true

- name: Delete golden images but the three newest of each name, and those that domains use
  goldsmith.kvm.image_store:
    state: pruned
    golden: {keep: 3}
  become: true
  register: pruned

- name: Say what stays nevertheless, and why
  ansible.builtin.debug:
    msg: "{{ item.path }}: {{ item.reasons | join('; ') }}"
  loop: "{{ pruned.kept_golden }}"
  loop_control:
    label: "{{ item.path }}"
"""

RETURN = r"""
images:
  description: The images of the store; with O(state=pruned) those that are left, in check mode those that would be.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Its file.
      type: str
    digest:
      description: Digest of the file.
      type: str
    size:
      description: Bytes of the file.
      type: int
    format:
      description: Format in QEMU's words; empty for what is not a disk image.
      type: str
    virtual_size:
      description: Bytes of the disk that a guest sees. V(null) for what is not a disk image.
      type: int
    added:
      description: When it was fetched.
      type: str
    last_used:
      description: When M(goldsmith.kvm.image_fetch) gave it to a play last.
      type: str
    sources:
      description: What it was published as, possibly several times.
      type: list
      elements: dict
      contains:
        publisher:
          description: Who published it.
          type: str
        product:
          description: The publisher's name of the product; of a directory its URL.
          type: str
        serial:
          description: The dated version; empty for directories.
          type: str
        file_type:
          description: Which file of the serial it is; empty for directories.
          type: str
        release:
          description: Codename of the release; empty for directories.
          type: str
        arch:
          description: Architecture in the publisher's words; empty for directories.
          type: str
        name:
          description: Name of the file as published.
          type: str
        url:
          description: Where it came from.
          type: str
        published_digest:
          description: Digest of the file as published; another than that of the image when it was unpacked.
          type: str
        proof:
          description: What proved it, as in RV(goldsmith.kvm.image_fetch#module:image.proof).
          type: dict
    golden_images:
      description: Paths of the golden images that were made from it and still exist.
      type: list
      elements: str
  sample:
    - path: /var/lib/goldsmith/images/0f1c4b8b9e5e5e4f8c6f2c4d7a3b1e6d5c4b3a29180f7e6d5c4b3a2918070605.img
      digest: sha256:0f1c4b8b9e5e5e4f8c6f2c4d7a3b1e6d5c4b3a29180f7e6d5c4b3a2918070605
      size: 622592000
      format: qcow2
      virtual_size: 3758096384
      added: "2026-09-07T05:11:40Z"
      last_used: "2026-09-28T05:10:02Z"
      sources:
        - publisher: ubuntu
          product: com.ubuntu.cloud:server:24.04:amd64
          serial: "20260905"
          file_type: disk1.img
          release: noble
          arch: amd64
          name: ubuntu-24.04-server-cloudimg-amd64.img
          url: https://cloud-images.ubuntu.com/releases/server/releases/noble/release-20260905/ubuntu-24.04-server-cloudimg-amd64.img
          published_digest: sha256:0f1c4b8b9e5e5e4f8c6f2c4d7a3b1e6d5c4b3a29180f7e6d5c4b3a2918070605
          proof:
            method: signature
            file: https://cloud-images.ubuntu.com/releases/server/releases/noble/release-20260905/SHA256SUMS
            fingerprint: D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81
            signed_at: "2026-09-05T03:28:23Z"
            index_file: https://cloud-images.ubuntu.com/releases/streams/v1/com.ubuntu.cloud:released:download.sjson
            index_fingerprint: 4A3CE3CD565D7EB5C810E2B97FF3F408476CF100
            index_updated: "2026-09-06T01:30:03Z"
            index_signed_at: "2026-09-06T01:30:05Z"
      golden_images:
        - /var/lib/libvirt/images/golden/noble-base-20260905-1f2e3d4c.qcow2
golden_images:
  description: The golden images that were published with this store and exist; with O(state=pruned) those that are
    left, in check mode those that would be. What needs them is only found out when they are to be pruned.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Its file.
      type: str
    name:
      description: The name that it was built by. V(null), as the next two, if its build record cannot be read.
      type: str
    created:
      description: When its build began.
      type: str
    digest:
      description: Digest of the file when it was published.
      type: str
    size:
      description: Bytes of the file.
      type: int
    current:
      description: Whether the link C(NAME.qcow2) leads to it.
      type: bool
  sample:
    - path: /var/lib/libvirt/images/golden/noble-base-20260905-1f2e3d4c.qcow2
      name: noble-base
      created: "2026-09-07T05:12:31Z"
      digest: sha256:5c4b3a29180706050f1c4b8b9e5e5e4f8c6f2c4d7a3b1e6d5c4b3a29180f7e6d
      size: 701497344
      current: true
removed:
  description: The images that were deleted, in check mode those that would be; as in RV(images).
  returned: O(state=pruned)
  type: list
  elements: dict
  sample: []
removed_leftovers:
  description: Paths of incomplete downloads, of directories of killed builds, of records of vanished images, and of
    golden images that failed their checks, that were or would be deleted.
  returned: O(state=pruned)
  type: list
  elements: str
  sample:
    - /var/lib/goldsmith/images/.5c4b3a2918070605.part
removed_golden:
  description: The golden images that were deleted, in check mode those that would be; of each name, the oldest first.
  returned: O(state=pruned)
  type: list
  elements: dict
  contains:
    path:
      description: Its file.
      type: str
    name:
      description: The name that it was built by.
      type: str
    created:
      description: When its build began.
      type: str
    digest:
      description: Digest of the file.
      type: str
    size:
      description: Bytes of the file.
      type: int
    files:
      description: What went with it.
      type: list
      elements: str
  sample:
    - path: /var/lib/libvirt/images/golden/noble-base-20260801-5a6b7c8d.qcow2
      name: noble-base
      created: "2026-08-03T05:12:09Z"
      digest: sha256:0f1c4b8b9e5e5e4f8c6f2c4d7a3b1e6d5c4b3a29180f7e6d5c4b3a2918070605
      size: 698351616
      files:
        - /var/lib/libvirt/images/golden/noble-base-20260801-5a6b7c8d.vmdk
        - /var/lib/libvirt/images/golden/noble-base-20260801-5a6b7c8d.qcow2.log
        - /var/lib/libvirt/images/golden/noble-base-20260801-5a6b7c8d.qcow2.json
kept_golden:
  description: The golden images that O(golden.keep) did not keep, but something else does.
  returned: O(state=pruned)
  type: list
  elements: dict
  contains:
    path:
      description: Its file.
      type: str
    name:
      description: The name that it was built by. V(null) if its build record cannot be read.
      type: str
    reasons:
      description: Why it stays.
      type: list
      elements: str
  sample:
    - path: /var/lib/libvirt/images/golden/noble-base-20260701-9e8d7c6b.qcow2
      name: noble-base
      reasons:
        - the domain db-1 uses it
removed_files:
  description: Paths of logs of failed builds that O(age) did not keep.
  returned: O(state=pruned)
  type: list
  elements: str
  sample:
    - /var/lib/goldsmith/logs/noble-base-5c4b3a29.log
removed_payloads:
  description: How many files that steps had put into images O(age) did not keep. They are not named, because their
    names are digests of what may be a secret.
  returned: O(state=pruned)
  type: int
  sample: 3
needed:
  description: The images that O(keep) and O(age) did not keep, but something else does.
  returned: O(state=pruned)
  type: list
  elements: dict
  contains:
    path:
      description: Its file.
      type: str
    digest:
      description: Digest of the file.
      type: str
    reasons:
      description: What needs it.
      type: list
      elements: str
  sample:
    - path: /var/lib/goldsmith/images/0f1c4b8b9e5e5e4f8c6f2c4d7a3b1e6d5c4b3a29180f7e6d5c4b3a2918070605.img
      digest: sha256:0f1c4b8b9e5e5e4f8c6f2c4d7a3b1e6d5c4b3a29180f7e6d5c4b3a2918070605
      reasons:
        - the domain db-1 uses it
freed:
  description: Bytes of the images and files that were or would be deleted. Holes in golden images and in what was
    made of them do not count.
  returned: O(state=pruned)
  type: int
  sample: 0
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.runner import run_module
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.store import manage_store, store_argument_spec


def main() -> None:
    module = AnsibleModule(argument_spec=store_argument_spec(), supports_check_mode=True)
    run_module(module, manage_store)


if __name__ == "__main__":
    main()
