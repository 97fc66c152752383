#!/usr/bin/python
# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Tell what a disk image is and holds, without starting or changing it
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Reads the image's format, backing chain and build record, its partitions and file systems, and the system on them.
    That is its distribution, kernels, packages, enabled units, users and the datasources of cloud-init.
  - Nothing is started, mounted or written to the image. No root is needed, only the right to read the file.
  - The build record and the format are told at once. For the rest, an image that is not raw is first copied into a
    sparse raw file, which takes seconds. The copy has no name in any directory, and is gone with the module, however
    that ends.
  - Files are read from C(ext2), C(ext3) and C(ext4). Of a guest whose root is on another file system, on LVM or
    encrypted, the module tells format, record and partitions, and in RV(obstacle) why no more.
notes:
  - Needs C(qemu-img) (package C(qemu-utils)), and for what is on the disk C(debugfs) (C(e2fsprogs)), C(sfdisk)
    (C(fdisk)) and C(blkid) (C(util-linux)).
  - A guest that was not shut down may have changes in a file system's journal that are not seen here. Such a file
    system has RV(partitions[].file_system.usage.clean=false).
  - Nothing of a password leaves the image, nor does a hash of one.
extends_documentation_fragment:
  - goldsmith.kvm.attributes
  - goldsmith.kvm.attributes.info
  - goldsmith.kvm.attributes.actiongroup_kvm
options:
  path:
    description:
      - The image. Of a link, such as that to the current golden image, the file that it leads to.
      - An overlay is shown with all that lies below it. What its header names has to be disk images on this host.
    type: path
    required: true
  format:
    description:
      - The image's format, as QEMU calls it. Without it, the first bytes of the file tell.
      - Set V(raw) for a raw disk that a guest was able to write to. It can make its disk look like another format that
        names files of this host.
    type: str
    choices: [qcow2, raw, vmdk, vhdx, vpc, vdi, qcow, qed]
  gather:
    description:
      - What to tell. V(record) and V(format) alone do not open the disk, and take a fraction of a second.
      - V(drift) compares the image with its build record, and an overlay with the image below it that has one.
      - V(sbom_spdx) and V(sbom_cyclonedx) are bills of materials, written from the database of packages.
      - V(drift) and the bills of materials read the whole file for its digest, unless the store knows that of the file
        as it is.
    type: list
    elements: str
    choices:
      - record
      - format
      - partitions
      - system
      - kernels
      - packages
      - units
      - users
      - cloud_init
      - drift
      - sbom_spdx
      - sbom_cyclonedx
    default: [record, format, partitions, system, kernels, packages, units, users, cloud_init]
  workdir:
    description:
      - Directory for the raw copy, which takes as much room as the data in the disk.
    type: path
    default: /var/tmp
  store:
    description:
      - Directory of the store, which knows the digests of golden images. It is only read, and need not exist.
    type: path
    default: /var/lib/goldsmith
seealso:
  - module: goldsmith.kvm.image_customize
  - module: goldsmith.kvm.image_store
"""

EXAMPLES = r"""
- name: What is in the golden image?
  goldsmith.kvm.image_info:
    path: /var/lib/libvirt/images/golden/noble-web.qcow2
  register: found

- name: Insist on an OpenSSH that is new enough
  ansible.builtin.assert:
    that: versions['openssh-server'] is version('1:9.0', '>=')
  vars:
    versions: "{{ found.packages | items2dict(key_name='name', value_name='version') }}"

- name: What was the golden image made from?
  goldsmith.kvm.image_info:
    path: /var/lib/libvirt/images/golden/noble-web.qcow2
    gather: [record]
  register: built

- name: Write its bill of materials beside it
  block:
    - name: Read the packages
      goldsmith.kvm.image_info:
        path: /var/lib/libvirt/images/golden/noble-web.qcow2
        gather: [sbom_spdx]
      register: materials

    - name: Write them as SPDX
      ansible.builtin.copy:
        content: "{{ materials.sbom.spdx | to_nice_json }}"
        dest: "{{ materials.image_path }}.spdx.json"
        mode: "0644"

- name: Is it still what was published?
  block:
    - name: Compare it with its record
      goldsmith.kvm.image_info:
        path: /var/lib/libvirt/images/golden/noble-web.qcow2
        gather: [drift]
      register: compared

    - name: Fail where it is not, or where that is not known
      ansible.builtin.assert:
        that:
          - compared.drift is not none
          - compared.drift.drifted is false
        fail_msg: "drift: {{ compared.drift or 'it has no build record' }}, obstacle: {{ compared.obstacle or 'none' }}"
"""

RETURN = r"""
image_path:
  description: The image, with all links followed.
  returned: success
  type: str
  sample: /var/lib/libvirt/images/golden/noble-web-20260905-1a2b3c4d.qcow2
obstacle:
  description:
    - Why not everything that was asked for could be read. What could not is V(null) then, and there is a warning.
    - Directories are named that were looked for and are on a file system that is not read, such as C(/home) on
      C(xfs). What lies in them is missing then in what is told.
    - V(null) where everything was read.
  returned: success
  type: dict
  contains:
    problem:
      description: What is in the way.
      type: str
    way_out:
      description: What to do about it.
      type: str
  sample: null
record:
  description:
    - The build record beside the image, or beside the nearest image below it that has one.
    - Without one, and if the disk was opened anyway, the record that the build left inside the image. That one knows
      nothing of packages and digest.
    - V(null) where there is none.
  returned: when gathered
  type: dict
  sample:
    schema: 1
    name: noble-web
    fingerprint: sha256:1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809
    created: "2026-09-06T04:12:31Z"
record_path:
  description: Where the record stands. C(/usr/share/goldsmith/build-record.json) is a path inside the image.
  returned: when V(record) is gathered
  type: str
  sample: /var/lib/libvirt/images/golden/noble-web-20260905-1a2b3c4d.qcow2.json
format:
  description: What the image is as a file. Sizes are bytes.
  returned: when gathered
  type: dict
  contains:
    format:
      description: As QEMU calls it.
      type: str
    virtual_size:
      description: The disk that a guest sees.
      type: int
    size:
      description: The length of the file.
      type: int
    actual_size:
      description: What the file occupies on its file system, holes not counted.
      type: int
    cluster_size:
      description: Of formats that have clusters; V(null) of others.
      type: int
    compression:
      description: How compressed clusters of a C(qcow2) are compressed, V(zlib) or V(zstd); V(null) of other formats.
      type: str
    backing_chain:
      description: The images below this one, the nearest first.
      type: list
      elements: dict
      contains:
        path:
          description: The image.
          type: str
        format:
          description: Its format.
          type: str
        virtual_size:
          description: The disk that it is.
          type: int
        actual_size:
          description: What its file occupies.
          type: int
  sample:
    format: qcow2
    virtual_size: 10737418240
    size: 742391808
    actual_size: 742395904
    cluster_size: 65536
    compression: zstd
    backing_chain: []
partition_table:
  description: V(gpt) or V(dos); V(null) where a file system takes the whole disk.
  returned: when V(partitions) is gathered
  type: str
  sample: gpt
partitions:
  description: The partitions in their order on the disk. Places and sizes are bytes.
  returned: when gathered
  type: list
  elements: dict
  contains:
    number:
      description: V(null) for a disk without a partition table.
      type: int
    start:
      description: Where it begins.
      type: int
    size:
      description: How long it is.
      type: int
    type:
      description: GPT's type GUID, or the type byte of an MBR in hexadecimal.
      type: str
    kind:
      description:
        - What the type means, one of V(linux), V(root), V(boot), V(efi), V(bios-boot), V(swap), V(lvm) and V(windows).
        - Empty for other types.
      type: str
    name:
      description: GPT's name of the partition, or V(null).
      type: str
    uuid:
      description: Its UUID, or V(null).
      type: str
    bootable:
      description: Whether an MBR marks it as active.
      type: bool
    mount_point:
      description: Where the guest's fstab mounts it, or V(null).
      type: str
    file_system:
      description: What is in it; V(null) where C(blkid) finds nothing.
      type: dict
      contains:
        type:
          description: Word of C(blkid), such as V(ext4), V(vfat), V(swap), V(LVM2_member) and V(crypto_LUKS).
          type: str
        label:
          description: The label, or V(null).
          type: str
        uuid:
          description: The UUID, or V(null).
          type: str
        usage:
          description:
            - How full it is, by its superblock. That is known of C(ext2), C(ext3), C(ext4), C(xfs), C(btrfs) and FAT32,
              and V(null) of others.
          type: dict
          contains:
            size:
              description: Bytes that it has.
              type: int
            used:
              description: Bytes in use, those for its own tables among them.
              type: int
            free:
              description: Bytes that are free, those kept for root among them.
              type: int
            clean:
              description: Whether it was unmounted as it should be; V(null) where its superblock does not tell.
              type: bool
  sample:
    - number: 1
      start: 1074790400
      size: 2682257408
      type: 0fc63daf-8483-4772-8e79-3d69d8477de4
      kind: linux
      name: null
      uuid: b71329d9-53ec-b643-a980-01802654cd8b
      bootable: false
      mount_point: /
      file_system:
        type: ext4
        label: cloudimg-rootfs
        uuid: c9ae750a-0365-475d-8801-6898f7c29ba9
        usage:
          size: 2682257408
          used: 571031552
          free: 2111225856
          clean: true
system:
  description: What the guest says of itself. Texts are empty where it does not say.
  returned: when gathered
  type: dict
  contains:
    os_release:
      description: Value by key of its C(os-release).
      type: dict
    hostname:
      description: Of C(/etc/hostname).
      type: str
    architecture:
      description: Word of C(dpkg), such as V(amd64).
      type: str
    machine_id:
      description:
        - What C(/etc/machine-id) is, one of V(empty), V(absent), V(uninitialized) and V(set).
        - All clones of an image with V(set) have the same.
      type: str
    timezone:
      description: Such as V(Etc/UTC).
      type: str
    fstab:
      description: The lines of its fstab.
      type: list
      elements: dict
      contains:
        source:
          description: The first field.
          type: str
        point:
          description: The mount point; V(none) for swap.
          type: str
        type:
          description: The type of the file system.
          type: str
        options:
          description: The mount options.
          type: str
  sample:
    os_release:
      ID: ubuntu
      VERSION_ID: "24.04"
      PRETTY_NAME: Ubuntu 24.04.1 LTS
    hostname: ubuntu
    architecture: amd64
    machine_id: empty
    timezone: Etc/UTC
    fstab:
      - source: LABEL=cloudimg-rootfs
        point: /
        type: ext4
        options: discard,commit=30,errors=remount-ro
kernels:
  description: The kernels in C(/boot), and the next boot.
  returned: when gathered
  type: dict
  contains:
    kernels:
      description: The newest first.
      type: list
      elements: dict
      contains:
        version:
          description: As C(uname -r) will say.
          type: str
        path:
          description: The kernel.
          type: str
        initrd:
          description: Its initial RAM disk, or V(null).
          type: str
        modules:
          description: Directory of its modules, or V(null).
          type: str
        default:
          description: Whether it is booted when nobody is at the keyboard.
          type: bool
    chosen_by:
      description:
        - What makes the default one the default, V(grub) for GRUB's menu and environment block, V(link) for
          C(/boot/vmlinuz) or C(/vmlinuz).
        - V(null) where neither tells.
      type: str
    command_line:
      description: Its arguments, by GRUB's menu; V(null) where that does not tell.
      type: str
  sample:
    kernels:
      - version: 6.8.0-45-generic
        path: /boot/vmlinuz-6.8.0-45-generic
        initrd: /boot/initrd.img-6.8.0-45-generic
        modules: /usr/lib/modules/6.8.0-45-generic
        default: true
    chosen_by: grub
    command_line: root=LABEL=cloudimg-rootfs ro console=tty1 console=ttyS0
packages:
  description: The packages by name; V(null) where the guest has no database of C(dpkg).
  returned: when gathered
  type: list
  elements: dict
  contains:
    name:
      description: The package.
      type: str
    version:
      description: Its version.
      type: str
    architecture:
      description: Its architecture.
      type: str
    source:
      description: The source package that it was built from.
      type: str
    source_version:
      description: The version of that.
      type: str
    maintainer:
      description: Who looks after it.
      type: str
    homepage:
      description: Where it comes from; empty where it does not say.
      type: str
    status:
      description:
        - V(installed), or what C(dpkg) calls one that was not installed to its end, such as V(half-configured).
      type: str
  sample:
    - name: libssl3t64
      version: 3.0.13-0ubuntu3.4
      architecture: amd64
      source: openssl
      source_version: 3.0.13-0ubuntu3.4
      maintainer: Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>
      homepage: https://www.openssl.org/
      status: installed
units:
  description: The units of systemd that the links in C(/etc/systemd/system) enable or mask.
  returned: when gathered
  type: dict
  contains:
    enabled:
      description: By enabled unit, the units that want it.
      type: dict
    masked:
      description: Units that cannot be started.
      type: list
      elements: str
    default_target:
      description: What the guest boots to.
      type: str
  sample:
    enabled:
      ssh.socket: [sockets.target, ssh.service]
      unattended-upgrades.service: [multi-user.target]
    masked: [apt-daily.timer]
    default_target: graphical.target
users:
  description: The users of C(/etc/passwd).
  returned: when gathered
  type: list
  elements: dict
  contains:
    name:
      description: The user.
      type: str
    uid:
      description: Their number.
      type: int
    gid:
      description: The number of their first group.
      type: int
    gecos:
      description: Their full name, mostly.
      type: str
    home:
      description: Their home directory.
      type: str
    shell:
      description: Their shell.
      type: str
    groups:
      description: Their groups, the first one first.
      type: list
      elements: str
    password:
      description:
        - V(hash) for a password that lets in.
        - V(empty) where none is asked for.
        - V(none) where nothing fits, such as C(*).
        - V(locked) for what begins with C(!).
      type: str
    authorized_keys:
      description: SSH keys that let in, from the files that sshd reads by default.
      type: list
      elements: dict
      contains:
        type:
          description: The type of the key.
          type: str
        fingerprint:
          description: As C(ssh-keygen -l) prints it.
          type: str
        comment:
          description: What stands behind the key.
          type: str
        path:
          description: The file.
          type: str
  sample:
    - name: ops
      uid: 1000
      gid: 1000
      gecos: ""
      home: /home/ops
      shell: /bin/bash
      groups: [ops, sudo]
      password: locked
      authorized_keys:
        - type: ssh-ed25519
          fingerprint: SHA256:5kTJd9nRr0Iy0Hq1W0bVZc1w4bQ0m1y7sXK8b3n0a2E
          comment: ops@example.com
          path: /home/ops/.ssh/authorized_keys
cloud_init:
  description: What the configuration of cloud-init says; V(null) where the guest has none.
  returned: when gathered
  type: dict
  contains:
    datasources:
      description: The C(datasource_list) that counts; V(null) where that is left to cloud-init.
      type: list
      elements: str
    datasources_from:
      description: The file that it stands in, or V(null).
      type: str
    datasource:
      description: The one that C(/etc/cloud/ds-identify.cfg) names, or V(null).
      type: str
    disabled:
      description: Whether there is a file C(/etc/cloud/cloud-init.disabled).
      type: bool
    instance_id:
      description: Of the instance that last ran here, or V(null). An image that was never booted has none.
      type: str
  sample:
    datasources: [NoCloud, None]
    datasources_from: /etc/cloud/cloud.cfg.d/99-datasources.cfg
    datasource: null
    disabled: false
    instance_id: null
drift:
  description: How the image differs from its build record; V(null) where none lies beside it or what it is made over.
  returned: when gathered
  type: dict
  contains:
    record_path:
      description: The record.
      type: str
    drifted:
      description:
        - Whether anything differs.
        - V(null) where nothing is known to differ, and packages could not be compared. RV(obstacle) says why, unless
          the guest has no database of C(dpkg). That happens with overlays only, as the digest tells of every bit of
          the image itself.
      type: bool
    digest:
      description:
        - The recorded digest and that of the file, if they differ, and V(null) if not.
        - Of an overlay the file is the image below it that the record describes.
      type: list
      elements: str
    fingerprint:
      description: The recorded fingerprint and that of the record inside the image, if they differ, and V(null) if not.
      type: list
      elements: str
    packages:
      description:
        - By package, the version that was built and the one that was found; V(null) for none.
        - Of an overlay all packages are compared, with those of the image below it that the record describes.
        - Of the image itself those that the record names are compared, which the build added, removed or changed.
        - V(null) where they could not be read.
      type: dict
    os_release:
      description:
        - By key of C(os-release), the recorded value and the one that was found.
        - V(null) where that could not be read.
      type: dict
  sample:
    record_path: /var/lib/libvirt/images/golden/noble-web-20260905-1a2b3c4d.qcow2.json
    drifted: true
    digest: null
    fingerprint: null
    packages:
      openssl: [3.0.13-0ubuntu3.4, 3.0.13-0ubuntu3.5]
    os_release: {}
sbom:
  description:
    - Bills of materials. For the same image they are the same.
    - V(null) where the guest has no database of C(dpkg), or cannot be read.
  returned: when V(sbom_spdx) or V(sbom_cyclonedx) is gathered
  type: dict
  contains:
    spdx:
      description: An SPDX 2.3 document.
      returned: when V(sbom_spdx) is gathered
      type: dict
    cyclonedx:
      description: A CycloneDX 1.6 document.
      returned: when V(sbom_cyclonedx) is gathered
      type: dict
  sample:
    spdx:
      spdxVersion: SPDX-2.3
      name: noble-web
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.runner import run_module
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.info import info_argument_spec, inspect_image


def main() -> None:
    module = AnsibleModule(argument_spec=info_argument_spec(), supports_check_mode=True)
    run_module(module, inspect_image)


if __name__ == "__main__":
    main()
