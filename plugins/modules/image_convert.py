#!/usr/bin/python
# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_convert
short_description: Write an image in the formats that others need
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Writes one image as qcow2, raw, VMDK, VHDX, Azure's fixed VHD or OVA, in several of these at the same time.
  - Nothing is converted again that is there already. What counts is the digest of the source, the options, and the
    digest of what was written. A file that was changed since is written anew. Versions of the tools do not count.
  - Every file is opened again, checked and on the disk before it gets its name. When a conversion fails or is
    interrupted, the former file stays. Two runs for one file wait for each other.
  - The record beside each file, C(DEST.conversion.json), says what it was made from.
  - The source is opened read-only. When it is replaced or written to during the run, nothing of it is published.
extends_documentation_fragment:
  - goldsmith.kvm.attributes
  - goldsmith.kvm.attributes.actiongroup_kvm
attributes:
  check_mode:
    support: full
    details:
      - Answered from digests and records. A source that is not there yet is a warning, and all outputs count as
        changed. Directories that cannot be written, and too little space, are warnings, too.
  diff_mode:
    support: full
    details:
      - Shows the source and the options of what is there and of what is wanted, one difference for each output.
  idempotent:
    support: full
options:
  src:
    description:
      - The image on the target. Its path, or a dictionary with C(path) and, where you know it, C(digest)
        (C(sha256:HEX), which is then demanded), such as RV(goldsmith.kvm.image_customize#module:image).
      - A file outside the store is read once to find its digest.
      - Its format is found by its first bytes. qcow2, raw, VMDK, VHDX, VHD and VDI can be read.
      - An image that names another file (a backing file, an external data file, extents) is refused.
    type: raw
    required: true
  backing_files:
    description:
      - Whether O(src) may be an overlay. All that lies below it is read, and counts for its digest.
      - Only for overlays of your own. The header of a foreign one can name any file of this host.
    type: bool
    default: false
  outputs:
    description:
      - What is written. Each option besides O(outputs[].dest) and O(outputs[].format) is for some formats alone, and an
        error for others.
    type: list
    elements: dict
    required: true
    suboptions:
      dest:
        description:
          - Path of the file on the target. Its directory is made when it is missing.
          - What has this name already is replaced, unless it is a link, a golden image, a file that O(src) lies over,
            or the disk of a domain of this host or below one. Its C(DEST.sha256) and C(DEST.sha256.asc) go with it.
          - O(src) and other outputs must not have one of these names, nor C(DEST.conversion.json).
        type: path
        required: true
      format:
        description:
          - V(vhd) is the fixed VHD that Azure takes.
          - V(ova) is one machine with one disk, a streamOptimized VMDK, for VMware and VirtualBox.
          - The disk in V(vhd), V(vmdk) and V(ova) is as large as the source's, rounded up to 1 MiB.
        type: str
        choices: [qcow2, raw, vmdk, vhdx, vhd, ova]
        required: true
      compression:
        description:
          - Of V(qcow2). V(zlib) for readers before QEMU 5.1, V(none) for the fastest guests.
          - V(zstd) without it, V(zlib) with O(outputs[].compat=0.10), V(none) with O(outputs[].preallocation).
        type: str
        choices: [zstd, zlib, none]
      cluster_size:
        description:
          - Of V(qcow2), a power of two from 512 bytes to V(2M).
          - V(64K) without it.
        type: str
      compat:
        description:
          - Version of V(qcow2). V(0.10) for readers before QEMU 1.1.
          - V(1.1) without it.
        type: str
        choices: ['1.1', '0.10']
      preallocation:
        description:
          - Of V(qcow2) and V(raw). Without it, or with V(off), the file is sparse.
          - V(metadata) is for V(qcow2) alone. With V(falloc) and V(full) the file takes all of its space at once.
        type: str
        choices: ['off', metadata, falloc, full]
      subformat:
        description:
          - Of V(vmdk). V(streamOptimized) is compressed, and for importing. V(monolithicSparse) is for VMware
            Workstation and the like to run.
          - V(streamOptimized) without it.
        type: str
        choices: [streamOptimized, monolithicSparse]
      adapter_type:
        description:
          - Of V(vmdk), the controller that its descriptor names.
          - V(lsilogic) without it, which stands for every SCSI controller.
        type: str
        choices: [lsilogic, ide, buslogic, legacyESX]
      hwversion:
        description:
          - Of V(vmdk) and V(ova), the version of VMware's virtual hardware.
          - V(13) without it, which vSphere 6.5 and later have.
          - A machine with V(pvscsi) or V(vmxnet3) needs V(7), with V(uefi) or V(e1000e) V(8), with V(sata) V(10).
        type: int
      block_size:
        description:
          - Of V(vhdx), which is always dynamic, a power of two from V(1M) to V(256M).
          - Without it QEMU chooses by the size of the disk.
        type: str
      machine:
        description:
          - Of V(ova), the virtual machine.
        type: dict
        suboptions:
          name:
            description:
              - What the machine is called.
              - Without it, the name of the file without C(.ova).
            type: str
          description:
            description:
              - What people read of it.
            type: str
          os:
            description:
              - The operating system that it holds. All are for 64 bits.
            type: str
            choices: [linux, ubuntu, debian, other]
            default: linux
          cpus:
            description:
              - Number of virtual CPUs.
            type: int
            default: 1
          memory:
            description:
              - Memory, a multiple of V(4M).
            type: str
            default: 1G
          firmware:
            description:
              - Firmware. VMware reads it, other importers may skip it.
            type: str
            choices: [bios, uefi]
            default: bios
          disk_controller:
            description:
              - Controller of the disk. V(pvscsi) needs its driver in the image, which Ubuntu's kernels have.
              - V(lsilogic) and V(sata) are for importers that do not know it, such as VirtualBox.
            type: str
            choices: [pvscsi, lsilogic, sata]
            default: pvscsi
          network_card:
            description:
              - Model of the network cards.
            type: str
            choices: [vmxnet3, e1000, e1000e]
            default: vmxnet3
          networks:
            description:
              - Names of networks. The machine has one card for each.
            type: list
            elements: str
            default: [VM Network]
  parallel:
    description:
      - How many outputs are written at the same time.
      - As many as the module may use CPUs, without it.
    type: int
  compare:
    description:
      - Whether what is written is compared with the source by C(qemu-img compare), sector by sector. What a format adds
        to the end of the disk has to be zeros.
      - What was compared when it was written is not compared again.
    type: bool
    default: false
  checksum:
    description:
      - Whether C(DEST.sha256) is written beside each output, for C(sha256sum -c).
    type: bool
    default: false
  signing_key:
    description:
      - Fingerprint of the OpenPGP key that signs each checksum file, as C(DEST.sha256.asc). It needs O(checksum=true)
        and the program C(gpg).
      - Whether the key can sign is tried before anything is written.
    type: str
  signing_passphrase:
    description:
      - Passphrase of O(signing_key). It goes to C(gpg) through a pipe.
      - Without it, the key has to have none, or gpg-agent to know it.
    type: str
  gnupghome:
    description:
      - Home directory of C(gpg) on the target that holds O(signing_key).
      - That of the user, without it.
    type: path
  owner:
    description:
      - User who shall own the files.
    type: str
  group:
    description:
      - Group that the files shall belong to.
    type: str
  mode:
    description:
      - Permissions of the files, such as V('0640').
    type: raw
  store:
    description:
      - Directory of the store, which remembers digests and holds the locks.
    type: path
    default: /var/lib/goldsmith
notes:
  - Needs C(qemu-img) (package C(qemu-utils)).
  - The manifest in an OVA has SHA-256 digests, which vSphere 6.5 and later read.
seealso:
  - module: goldsmith.kvm.image_customize
"""

EXAMPLES = r"""
- name: Write a golden image for VMware and for Hyper-V
  goldsmith.kvm.image_convert:
    src: /srv/images/debian-12.qcow2
    outputs:
      - {dest: /srv/export/debian-12.vmdk, format: vmdk}
      - {dest: /srv/export/debian-12.vhdx, format: vhdx}
    checksum: true
  register: exported

- name: Show what was written
  ansible.builtin.debug:
    msg: "{{ item.dest }} {{ item.digest }}"
  loop: "{{ exported.outputs }}"
  loop_control:
    label: "{{ item.dest }}"

- name: Write a VHD for Azure, and compare it with its source
  goldsmith.kvm.image_convert:
    src: /srv/images/debian-12.qcow2
    outputs:
      - {dest: /srv/export/debian-12.vhd, format: vhd}
    compare: true

- name: Write an appliance
  goldsmith.kvm.image_convert:
    src: /srv/images/debian-12.qcow2
    outputs:
      - dest: /srv/export/web.ova
        format: ova
        machine:
          os: debian
          cpus: 2
          memory: 2G
          firmware: uefi
          networks: [Frontend, Backend]
"""

RETURN = r"""
source:
  description: The image that was converted. In check mode V(null) for what cannot be told yet.
  returned: success
  type: dict
  contains:
    path:
      description: Its path, links resolved.
      type: str
    digest:
      description: Its digest; of an overlay, over the digests of all its files.
      type: str
    format:
      description: Its format in QEMU's words.
      type: str
    virtual_size:
      description: Bytes of the disk that a guest sees.
      type: int
  sample:
    path: /var/lib/libvirt/images/golden/noble-base-20260905-1f2e3d4c.qcow2
    digest: sha256:0f1c4b8b9e5e5e4f8c6f2c4d7a3b1e6d5c4b3a29180f7e6d5c4b3a2918070605
    format: qcow2
    virtual_size: 10737418240
outputs:
  description: What is there now, in the order of O(outputs).
  returned: success
  type: list
  elements: dict
  contains:
    dest:
      description: Its path.
      type: str
    format:
      description: Its format, as in O(outputs[].format).
      type: str
    changed:
      description: Whether it, or a file beside it, was written, or owner, group or mode were changed.
      type: bool
    reasons:
      description:
        - Why it was written. V(missing), V(unrecorded) (another file was there), V(modified) (it was changed after it
          was written), V(source), V(options).
        - V(checksum) and V(signature) where these were written.
      type: list
      elements: str
    digest:
      description: Digest of the file. V(null) in check mode while it is not written.
      type: str
    size:
      description: Bytes of the file. V(null) in check mode while it is not written.
      type: int
    virtual_size:
      description: Bytes of the disk that a guest sees.
      type: int
    padding:
      description: How many bytes, all zero, the format made the disk larger than the source's.
      type: int
    compared:
      description: Whether it was compared with the source, in this run or when it was written.
      type: bool
    checksum_file:
      description: Path of the checksum file; V(null) without O(checksum).
      type: str
    signature_file:
      description: Path of the checksum file's signature; V(null) without O(signing_key).
      type: str
    record:
      description: Path of the record.
      type: str
    seconds:
      description: How long it took, waiting for other runs included.
      type: float
  sample:
    - dest: /srv/export/noble-base.vhd
      format: vhd
      changed: true
      reasons: [missing, checksum]
      digest: sha256:5c4b3a2918070605f4d3c2b1a03f9ab2c1a0b4d4e17f6f5d5c3b2a19080f7e6d
      size: 10737418752
      virtual_size: 10737418240
      padding: 0
      compared: false
      checksum_file: /srv/export/noble-base.vhd.sha256
      signature_file: null
      record: /srv/export/noble-base.vhd.conversion.json
      seconds: 8.114
written:
  description: Paths of what was written before, or while, another output failed.
  returned: failure of an output
  type: list
  elements: str
  sample: [/srv/export/noble-base.vmdk]
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.file_attributes import ModuleAttributes
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.runner import run_module
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.convert import convert_image
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.convert_request import convert_argument_spec


def main() -> None:
    module = AnsibleModule(argument_spec=convert_argument_spec(), supports_check_mode=True)
    run_module(module, partial(convert_image, attributes=ModuleAttributes(module)))


if __name__ == "__main__":
    main()
