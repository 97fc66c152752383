#!/usr/bin/python
# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_catalog_info
short_description: List the images that a publisher offers
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Lists what a publisher offers for a release, lineage, architecture and file type, with URL, digest, size, end of
    support, and the proof of the digest.
  - Nothing is downloaded but the publisher's catalog. M(goldsmith.kvm.image_fetch) takes the same options and fetches
    the image.
notes:
  - V(all) as O(release), O(arch), O(serial) or O(file_type) lists every one that there is.
  - With O(publisher=directory) and without O(file_name), every file that the checksum file has is listed.
  - With O(publisher=ubuntu) the proof is the clear-signed catalog alone. M(goldsmith.kvm.image_fetch) demands in
    addition that the signed C(SHA256SUMS) beside the image states the same digest.
  - What the catalog does not have (a release, an architecture, a serial, a file type) is an error that lists what it
    has.
  - In check mode a missing C(gpgv) is a warning, and RV(images[].proof.method) is V(none).
extends_documentation_fragment:
  - goldsmith.kvm.catalog
  - goldsmith.kvm.http_options
  - goldsmith.kvm.attributes
  - goldsmith.kvm.attributes.info
  - goldsmith.kvm.attributes.actiongroup_kvm
requirements:
  - gpgv (for O(verify=signature))
seealso:
  - module: goldsmith.kvm.image_fetch
"""

EXAMPLES = r"""
- name: What is the newest long-term Ubuntu for this host's architecture?
  goldsmith.kvm.image_catalog_info:
  register: newest

- name: Show where it is, and until when it is supported
  ansible.builtin.debug:
    msg: "{{ newest.images[0].url }} (supported until {{ newest.images[0].support_eol }})"

- name: List every serial of the minimal image of 24.04 that can still be had
  goldsmith.kvm.image_catalog_info:
    release: noble
    lineage: minimal
    arch: amd64
    serial: all

- name: List the architectures of every release in its newest serial
  goldsmith.kvm.image_catalog_info:
    release: all
    arch: all

- name: Ask a mirror in the house first
  goldsmith.kvm.image_catalog_info:
    release: "22.04"
    file_type: disk-kvm.img
    mirrors:
      - https://mirror.example.com/cloud-images/
      - https://cloud-images.ubuntu.com/

- name: List what a directory with a signed checksum file holds
  goldsmith.kvm.image_catalog_info:
    publisher: directory
    mirrors:
      - https://images.example.com/golden/
    keyring: /etc/goldsmith/images.asc

- name: Look up one image of Debian, which signs none of its checksum files
  goldsmith.kvm.image_catalog_info:
    publisher: directory
    mirrors:
      - https://cloud.debian.org/images/cloud/trixie/latest/
    checksum_file: SHA512SUMS
    file_name: debian-13-genericcloud-amd64.qcow2
    verify: none
"""

RETURN = r"""
images:
  description:
    - What matches, at least one. Newer releases come first, and within a release newer serials.
  returned: success
  type: list
  elements: dict
  contains:
    publisher:
      description: As in O(publisher).
      type: str
      sample: ubuntu
    product:
      description: Name of the product in the publisher's catalog; for a directory its URL.
      type: str
      sample: com.ubuntu.cloud:server:24.04:amd64
    serial:
      description: The dated version; empty for a directory.
      type: str
      sample: "20240821"
    file_type:
      description: Which of the files of the serial; empty for a directory.
      type: str
      sample: disk1.img
    url:
      description: Where the file is, on the first mirror.
      type: str
      sample: https://cloud-images.ubuntu.com/releases/server/releases/noble/release-20240821/ubuntu-24.04-server-cloudimg-amd64.img
    digest:
      description: Digest of the file as it is published; empty when nobody states it (O(verify=none)).
      type: str
      sample: sha256:0e25ca6ee9f08ec5d4f9910054b66ae7163c6152e81a3e67689d89bd6e4dfa69
    size:
      description: Bytes of the file as it is published; V(null) when the publisher does not tell.
      type: int
      sample: 586022912
    release:
      description: Codename of the release.
      type: str
      sample: noble
    version:
      description: Version of the release.
      type: str
      sample: "24.04"
    release_title:
      description: Version of the release as people write it.
      type: str
      sample: 24.04 LTS
    lineage:
      description: As in O(lineage).
      type: str
      sample: server
    arch:
      description: As in O(arch).
      type: str
      sample: amd64
    stream:
      description: As in O(stream).
      type: str
      sample: released
    aliases:
      description: Further names of the release.
      type: list
      elements: str
      sample: ["24.04", "n", "noble", "lts", "default"]
    supported:
      description: Whether the publisher supports the release; V(null) when it does not tell.
      type: bool
      sample: true
    support_eol:
      description: Day on which the support ends; empty when the publisher does not tell.
      type: str
      sample: "2029-05-31"
    proof:
      description: Why the digest is believed.
      type: dict
      contains:
        method:
          description: As in O(verify); V(none) also in check mode without C(gpgv).
          type: str
          sample: signature
        file:
          description: URL of the file that states the digest.
          type: str
          sample: https://cloud-images.ubuntu.com/releases/streams/v1/com.ubuntu.cloud:released:download.sjson
        fingerprint:
          description: Primary key that signed it.
          type: str
          sample: 4A3CE3CD565D7EB5C810E2B97FF3F408476CF100
        signed_at:
          description: When it was signed.
          type: str
          sample: "2024-08-22T03:28:23Z"
"""

import platform
import typing as t
from collections.abc import Mapping

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.model import Item
from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.options import (
    catalog_argument_spec,
    request_from,
    trust_from,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.catalog.resolve import offered
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.module_host import ModuleHost, http_argument_spec
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.runner import run_module


def list_images(host: ModuleHost, params: Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    request = request_from(params, platform.machine())
    items = offered(host, request, trust_from(params), check_mode=check_mode)
    return {"changed": False, "images": [_image(item) for item in items]}


def _image(item: Item) -> dict[str, t.Any]:
    return {
        "publisher": item.publisher,
        "product": item.product,
        "serial": item.serial,
        "file_type": item.file_type,
        "url": item.urls[0],
        "digest": item.digest,
        "size": item.size,
        "release": item.release,
        "version": item.version,
        "release_title": item.release_title,
        "lineage": item.lineage,
        "arch": item.arch,
        "stream": item.stream,
        "aliases": list(item.aliases),
        "supported": item.supported,
        "support_eol": item.support_eol,
        "proof": {
            "method": item.proof.method,
            "file": item.proof.file,
            "fingerprint": item.proof.fingerprint,
            "signed_at": item.proof.signed_at,
        },
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={**catalog_argument_spec(), **http_argument_spec()},
        supports_check_mode=True,
    )
    run_module(module, list_images)


if __name__ == "__main__":
    main()
