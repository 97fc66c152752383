#!/usr/bin/python
# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_fetch
short_description: Put a verified virtual machine image into the store
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Finds the image that a publisher offers for a release, proves by the publisher's signatures what its content has to
    be, downloads it and puts it into the store, where it lies by its digest.
  - Of Ubuntu's images the serial is taken from the clear-signed simplestreams catalog, and the digest from there and
    from the signed C(SHA256SUMS) beside the image. Both have to agree.
  - Nothing is visible in the store before it is complete, verified and on the disk. An interrupted download goes
    on where it broke. Two runs that want the same image at once wait for each other.
  - When the image is there already, nothing of it is transferred and nothing is hashed again. Two serials with the same
    content are one file.
  - Sources compressed with C(xz), C(gz), C(bz2) or C(zst), and the tar archive around Azure's VHD, are verified as they
    were published and then unpacked. Other archives, file systems and manifests are kept as they are.
  - A disk image that names another file (a backing file, an external data file) is refused.
extends_documentation_fragment:
  - goldsmith.kvm.catalog
  - goldsmith.kvm.http_options
  - goldsmith.kvm.attributes
  - goldsmith.kvm.attributes.actiongroup_kvm
  - ansible.builtin.files
attributes:
  check_mode:
    support: full
    details:
      - The catalog is read, nothing is downloaded, and nothing is written.
      - Without C(gpgv) on the target the catalog is not verified, with a warning.
      - Where the digest of the file in the store cannot be known before it is there (the source is compressed, or its
        publisher states no SHA-256 digest), RV(image.path) and RV(image.digest) are V(null).
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - With O(serial=latest) a newly published image is a change.
options:
  store:
    description:
      - Directory of the store. It is made when it is missing.
      - Its file system needs room for the images, and for builds that start from them.
    type: path
    default: /var/lib/goldsmith
  offline:
    description:
      - Use no network. The image has to be in the store, proved as O(verify) demands when it was fetched.
      - With O(serial=latest) this is the newest one that the store has.
      - The keys that proved it then have to be those of O(fingerprints), or without that Ubuntu's own, unless a
        O(keyring) is given. What is in O(keyring) is not looked at.
    type: bool
    default: false
  allow_older:
    description:
      - Accept with O(serial=latest) a serial that is older than one that the store has seen proved before.
      - An older one means that the mirror lags behind, that the publisher has withdrawn an image, or that somebody
        replays an old catalog to withhold updates.
    type: bool
    default: false
  connections:
    description:
      - How many connections to use at once, where the server can send parts of a file.
    type: int
    default: 4
  rate_limit:
    description:
      - The most to transfer per second, all connections together, such as V(10M). Without it there is no limit.
    type: str
  retries:
    description:
      - How often to try again without any progress, with growing pauses, before the next of the O(mirrors) is tried.
    type: int
    default: 5
  mode:
    description:
      - Permissions of the image's file. Without it, a new file is read-only for everyone (V(0444)), because overlays
        that are backed by it would be corrupted by a write, and a file that is there already keeps what it has.
notes:
  - Needs C(qemu-img) (package C(qemu-utils)) on the target, and C(gpgv) with O(verify=signature).
  - The store's files and records belong to the user who runs the module. Use O(ignore:become) for the default store.
  - When no digest is known beforehand (O(verify=none), and the publisher states none), nothing tells whether the image
    has changed, so it is downloaded at every run.
seealso:
  - module: goldsmith.kvm.image_catalog_info
  - module: goldsmith.kvm.image_customize
  - module: goldsmith.kvm.image_store
"""

EXAMPLES = r"""
- name: Fetch the newest Ubuntu 24.04 server image for this host's architecture
  goldsmith.kvm.image_fetch:
    release: noble
  become: true
  register: fetched

- name: Make a golden image of it
  goldsmith.kvm.image_customize:
    base: "{{ fetched.image }}"
    dest_dir: /var/lib/libvirt/images/golden
    name: noble-base
    steps:
      - packages: {install: [qemu-guest-agent]}
  become: true

- name: Pin a serial, prefer a mirror of one's own, leave some bandwidth to others
  goldsmith.kvm.image_fetch:
    release: "22.04"
    lineage: minimal
    serial: "20260905"
    mirrors:
      - https://mirror.example.org/cloud-images/
      - https://cloud-images.ubuntu.com/
    rate_limit: 20M
  become: true

- name: Fetch Debian's image; its directory has a checksum file without signature, so the digest is given
  goldsmith.kvm.image_fetch:
    publisher: directory
    mirrors: [https://cloud.debian.org/images/cloud/bookworm/20260901-2224]
    file_name: debian-12-generic-amd64-20260901-2224.qcow2
    verify: checksum
    checksum: "sha512:{{ debian_sha512 }}"
  become: true

- name: Work from what the store has, without any network
  goldsmith.kvm.image_fetch:
    release: noble
    offline: true
  become: true
"""

RETURN = r"""
image:
  description: The image, as O(goldsmith.kvm.image_customize#module:base) takes it.
  returned: success
  type: dict
  contains:
    path:
      description: Its file in the store. V(null) in check mode where the digest is not known yet.
      type: str
    digest:
      description: Digest of that file. V(null) in check mode where it is not known yet.
      type: str
    size:
      description: Bytes of that file. V(null) in check mode where it is not known yet.
      type: int
    format:
      description: Format in QEMU's words, such as V(qcow2), V(raw) or V(vpc); empty for what is not a disk image.
      type: str
    virtual_size:
      description: Bytes of the disk that a guest sees. V(null) for what is no disk image, or is not known yet.
      type: int
    publisher:
      description: Who published it, as in O(publisher).
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
    version:
      description: Version of the release; empty for directories.
      type: str
    lineage:
      description: The product line; empty for directories.
      type: str
    arch:
      description: Architecture in the publisher's words; empty for directories.
      type: str
    stream:
      description: V(released) or V(daily); empty for directories.
      type: str
    name:
      description: Name of the file as published.
      type: str
    url:
      description: Where it comes from.
      type: str
    published_digest:
      description: Digest of the file as published; another than RV(image.digest) when that was unpacked.
      type: str
    proof:
      description: Why it is believed.
      type: dict
      contains:
        method:
          description: V(signature), V(checksum) or V(none).
          type: str
        file:
          description: URL of the signed file that states the digest.
          type: str
        fingerprint:
          description: Primary key that signed it.
          type: str
        signed_at:
          description: When that was.
          type: str
        index_file:
          description: URL of the signed catalog that states serial and digest.
          type: str
        index_fingerprint:
          description: Primary key that signed the catalog.
          type: str
        index_updated:
          description: When the publisher last changed the catalog.
          type: str
        index_signed_at:
          description: When the catalog was signed.
          type: str
  sample:
    path: /var/lib/goldsmith/images/0f1c4b8b9e5e5e4f8c6f2c4d7a3b1e6d5c4b3a29180f7e6d5c4b3a2918070605.img
    digest: sha256:0f1c4b8b9e5e5e4f8c6f2c4d7a3b1e6d5c4b3a29180f7e6d5c4b3a2918070605
    size: 622592000
    format: qcow2
    virtual_size: 3758096384
    publisher: ubuntu
    product: com.ubuntu.cloud:server:24.04:amd64
    serial: "20260905"
    file_type: disk1.img
    release: noble
    version: "24.04"
    lineage: server
    arch: amd64
    stream: released
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
transfer:
  description: What came over the network in this run, the catalog not counted.
  returned: success
  type: dict
  contains:
    bytes:
      description: Bytes of the image that were transferred; 0 when it was there.
      type: int
    seconds:
      description: How long that took, hashing included.
      type: float
    resumed_from:
      description: Bytes that an earlier run had left, and that were used.
      type: int
    connections:
      description: How many connections at once brought something.
      type: int
  sample:
    bytes: 622592000
    seconds: 14.21
    resumed_from: 0
    connections: 4
stages:
  description: Seconds by stage, in the order in which they began.
  returned: success
  type: dict
  sample:
    resolve: 0.412
    look_up: 0.001
    download: 14.213
    inspect: 0.034
    publish: 0.021
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.file_attributes import ModuleAttributes
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.runner import run_module
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.fetch import fetch_argument_spec, fetch_image


def main() -> None:
    module = AnsibleModule(
        argument_spec=fetch_argument_spec(),
        supports_check_mode=True,
        add_file_common_args=True,
    )
    run_module(module, partial(fetch_image, attributes=ModuleAttributes(module)))


if __name__ == "__main__":
    main()
