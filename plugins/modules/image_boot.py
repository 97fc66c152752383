#!/usr/bin/python
# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_boot
short_description: Boot an image in QEMU, and report what that proves
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Boots a throwaway overlay of an image, waits for the end of cloud-init and of the boot, and reports boot times,
    cloud-init's status, failed units, kernel, address, machine-id, host keys and free disk.
  - Fails where the image does not boot, and says where it hung, in the firmware, the boot loader, the kernel, the
    initramfs, systemd, cloud-init or the network, with the last lines of the console. Fails as well where cloud-init
    ends with errors or does not understand its configuration, where units fail, where no interface gets an address,
    where the root file system is full, and where sshd runs but nobody can log in.
  - The image is only read. Overlay, seed and keys are in a directory of their own below O(store), which is deleted at
    the end, as is QEMU, however the module ends.
  - With O(keep_running=true) the guest runs on for the tasks that follow, until O(state=absent) or until
    O(max_lifetime) is over.
  - The guest gets a NoCloud seed, and a network that leads nowhere. Only its port 22 can be reached, from the loopback
    of the host.
  - The guest reports through a virtio-serial port, by a script that comes with the seed's vendor data. Neither sshd nor
    a network is needed for that.
extends_documentation_fragment:
  - goldsmith.kvm.attributes
  - goldsmith.kvm.attributes.actiongroup_kvm
attributes:
  check_mode:
    support: full
    details:
      - Nothing is booted. Whether the image would boot is not known.
  diff_mode:
    support: full
    details:
      - Shows whether a guest of this name runs, with O(keep_running=true) and O(state=absent).
  idempotent:
    support: full
    details:
      - Without O(keep_running) nothing is changed, and each run boots the image again.
options:
  image:
    description:
      - The image, of any format that qemu-img knows by its header. It must not need another file.
      - Required with O(state=present).
    type: path
  state:
    description:
      - V(present) boots the image.
      - V(absent) ends the guest that O(keep_running) left running under this O(name), and deletes all of it.
    type: str
    choices: [present, absent]
    default: present
  keep_running:
    description:
      - Whether the guest is to run on after it was checked. A guest of this O(name) that runs already stays, if image
        and options are the same; otherwise it is replaced.
      - The image needs sshd, and a user that takes the key of the run. With O(user_data) that has C(users), let the
        entry C(default) be among them.
    type: bool
    default: false
  name:
    description:
      - Name of a guest that is kept running, of letters, digits, dots, hyphens and underscores.
      - By default the name of the file O(image), without what follows its last dot.
    type: str
  max_lifetime:
    description:
      - How long a guest that is kept running may live after O(timeout) and three minutes for logging in, such as V(30m)
        or V(2h), a year at the most. Then it is ended.
    type: str
    default: 1h
  firmware:
    description:
      - V(uefi) needs OVMF (package C(ovmf)). Each boot begins with fresh variables.
      - V(auto) takes V(bios), unless the disk has an EFI system partition and no boot code for BIOS.
    type: str
    choices: [auto, bios, uefi]
    default: auto
  accel:
    description:
      - V(auto) takes KVM where a guest really starts with it. Else it warns and takes TCG, QEMU's emulation, with which
        a boot takes one to two minutes.
      - V(kvm) fails where KVM does not work. V(tcg) does not try.
    type: str
    choices: [auto, kvm, tcg]
    default: auto
  memory:
    description:
      - The guest's memory, V(128M) at the least, and no more than the host has with its swap.
    type: str
    default: 1G
  cpus:
    description:
      - How many CPUs the guest has, 255 at the most.
    type: int
    default: 2
  disk_size:
    description:
      - Size of the disk that the guest sees, such as V(20G), so that cloud-init grows the root file system.
      - The size of the image, if not given. Disks are only grown.
    type: str
  timeout:
    description:
      - How many seconds the boot may take, from QEMU's start to the guest's report; from 10 to 86400.
    type: int
    default: 600
  user_data:
    description:
      - User data for cloud-init, a dictionary of cloud-config, or a text. Goes to the guest as it is.
      - The key of the run goes in by the meta data, and cloud-init gives it to the default user.
      - With C(vendor_data.enabled=false) in it the guest cannot report.
      - It is in no log, and texts in it of at least eight characters are masked where the console is shown.
    type: raw
  network_config:
    description:
      - Network configuration for cloud-init, a dictionary or a text. Without it cloud-init uses DHCP.
      - It is as hidden as O(user_data).
    type: raw
  ssh:
    description:
      - Whether to log in, where sshd runs. It fails where no user takes the key of the run, unless O(user_data) has
        C(users) without C(default).
    type: bool
    default: true
  ssh_port:
    description:
      - The port on V(127.0.0.1) that leads to the guest's port 22. A free one is taken, if not given.
    type: int
  allow_failed_units:
    description:
      - Units of systemd that may fail, as patterns of the shell, such as V(systemd-networkd-wait-online.service) or
        V(snapd.*).
    type: list
    elements: str
    default: []
  allow_ordering_cycles:
    description:
      - Whether units may be ordered in a circle, in which each is to start before the other. C(systemd) then leaves one
        out, at each boot another.
    type: bool
    default: false
  allow_cloud_init_errors:
    description:
      - Whether cloud-init may end with errors, or not understand its configuration.
    type: bool
    default: false
  console_log:
    description:
      - A file for what the serial console said, readable as text. It is written however the boot ends, for its owner
        alone, as a guest may print secrets. Its directory has to exist. Where it cannot be written there is a warning.
      - The log of an earlier boot is replaced. What is a symbolic link, the image, or no text is refused.
    type: path
  store:
    description:
      - Directory of the store, in which C(boots) has the overlays. Needs room for what the guest writes.
    type: path
    default: /var/lib/goldsmith
notes:
  - Needs C(qemu-system-x86_64) (package C(qemu-system-x86)), C(qemu-img) (C(qemu-utils)), C(xorriso), and OpenSSH's
    client. Host and image have to be amd64, the image with systemd and cloud-init.
  - Key and port of a guest are on the host that runs it, and only the user that booted it can read the key. The guide
    to booting has a play that goes on inside from elsewhere.
seealso:
  - module: goldsmith.kvm.image_customize
  - module: goldsmith.kvm.seed_iso
"""

EXAMPLES = r"""
- name: Does this image boot?
  goldsmith.kvm.image_boot:
    image: /var/lib/libvirt/images/golden/noble-web.qcow2
    disk_size: 20G
    console_log: /var/log/noble-web.console
  register: checked

- name: Show how fast it was, and what failed
  ansible.builtin.debug:
    msg: "{{ checked.boot }}"

- name: Boot it by UEFI, with a seed of my own
  goldsmith.kvm.image_boot:
    image: /var/lib/libvirt/images/golden/noble-web.qcow2
    firmware: uefi
    user_data:
      hostname: web-1
      runcmd:
        - [nginx, -t]

- name: Leave a guest running
  goldsmith.kvm.image_boot:
    image: /var/lib/libvirt/images/golden/noble-web.qcow2
    keep_running: true
    max_lifetime: 30m
  register: booted

# On the host that runs it, as the user that booted it.
- name: Go on inside it
  ansible.builtin.add_host:
    name: noble-web
    ansible_host: "{{ booted.guest.host }}"
    ansible_port: "{{ booted.guest.port }}"
    ansible_user: "{{ booted.guest.user }}"
    ansible_ssh_private_key_file: "{{ booted.guest.private_key_file }}"
    ansible_ssh_common_args: "{{ booted.guest.ssh_common_args }}"
  when: booted.guest is not none

- name: End it
  goldsmith.kvm.image_boot:
    name: noble-web
    state: absent
"""

RETURN = r"""
image:
  description: The image that was booted, links resolved. V(null) with O(state=absent).
  returned: success
  type: str
  sample: /var/lib/libvirt/images/golden/noble-web-20260905-1a2b3c4d.qcow2
boot:
  description:
    - What the boot has shown. V(null) in check mode, unless a guest of this name runs, and with O(state=absent).
    - Also returned by a failure, where the guest came so far as to report; otherwise it is V(null).
  returned: success, and when the image does not boot well
  type: dict
  contains:
    firmware:
      description: V(bios) or V(uefi).
      type: str
    accel:
      description: V(kvm) or V(tcg).
      type: str
    seconds:
      description: How long each part took. V(null) for what the guest does not have, or did not end.
      type: dict
      contains:
        firmware:
          description: From QEMU's start until the firmware handed over to the boot loader.
          type: float
        loader:
          description: From then until the kernel started.
          type: float
        kernel:
          description: Until systemd of the initramfs, or else of the system, started.
          type: float
        initrd:
          description: In an initramfs that has systemd. Otherwise it counts as the kernel's.
          type: float
        userspace:
          description: Until systemd had started everything, cloud-init among it.
          type: float
        total:
          description: In all.
          type: float
    cloud_init:
      description: How cloud-init ended.
      type: dict
      contains:
        status:
          description: V(done), V(error), V(running) or V(not run).
          type: str
        stage:
          description: The stage that it did not leave.
          type: str
        datasource:
          description: Where it found its data.
          type: str
        errors:
          description: What made it end in an error.
          type: list
          elements: str
        recoverable_errors:
          description: What it only warned of.
          type: list
          elements: str
    failed_units:
      description: Units of systemd that failed, also those that may.
      type: list
      elements: dict
      contains:
        name:
          description: The unit.
          type: str
        line:
          description: The last that it wrote to the journal.
          type: str
    ordering_cycles:
      description:
        - Units of which each is to start before the other. C(systemd) then leaves one out, at each boot another, and
          calls none of them failed.
      type: list
      elements: dict
      contains:
        units:
          description: The units of the cycle.
          type: list
          elements: str
        skipped:
          description: The one that was not started.
          type: str
    unfinished_jobs:
      description: Units that systemd was still starting or stopping when O(timeout) was nearly over.
      type: list
      elements: str
    kernel:
      description: The kernel's release.
      type: str
    machine_id:
      description: The guest's machine-id.
      type: str
    address:
      description: The guest's address. V(null) where it got none.
      type: str
    ssh_host_keys:
      description: The guest's host keys.
      type: list
      elements: dict
      contains:
        type:
          description: The key's type.
          type: str
        fingerprint:
          description: Its fingerprint, as C(ssh-keygen -l) shows it.
          type: str
    user:
      description: Who logged in by ssh. V(null) where nobody was tried.
      type: str
    disk:
      description: The root file system, after cloud-init has grown it.
      type: dict
      contains:
        size:
          description: Bytes.
          type: int
        free:
          description: Bytes that a normal user may still write.
          type: int
  sample:
    firmware: bios
    accel: kvm
    seconds:
      firmware: 0.4
      loader: 1.1
      kernel: 1.9
      initrd: null
      userspace: 9.7
      total: 13.1
    cloud_init:
      status: done
      stage: null
      datasource: NoCloud
      errors: []
      recoverable_errors: []
    failed_units: []
    ordering_cycles: []
    unfinished_jobs: []
    kernel: 6.8.0-45-generic
    machine_id: 2d9da095a4b64a63ae0da03a5173e39e
    address: 10.0.2.15
    ssh_host_keys:
      - type: ssh-ed25519
        fingerprint: SHA256:i6YoG4wPsRWIOYlG1HryVExk02FLU/99UeikfounQt8
    user: ubuntu
    disk:
      size: 20735000576
      free: 18851975168
guest:
  description: How to log in to the guest that runs on. V(null) where none does.
  returned: success
  type: dict
  contains:
    name:
      description: Its name, for O(state=absent).
      type: str
    host:
      description: Address, on the host that runs it.
      type: str
    port:
      description: Port.
      type: int
    user:
      description: A user who may log in with the key.
      type: str
    private_key_file:
      description: The key.
      type: str
    known_hosts_file:
      description: The guest's host keys.
      type: str
    ssh_common_args:
      description: Options for ssh, to use these host keys and nothing of the user's own.
      type: str
    directory:
      description: The directory of the guest.
      type: str
    console_log:
      description: What the serial console says, with escape sequences.
      type: str
    expires:
      description: When it is ended at the latest.
      type: str
  sample:
    name: noble-web
    host: 127.0.0.1
    port: 40261
    user: ubuntu
    private_key_file: /var/lib/goldsmith/boots/boot-zzem9nd0/id_ed25519
    known_hosts_file: /var/lib/goldsmith/boots/boot-zzem9nd0/known_hosts
    ssh_common_args: -F none -o BatchMode=yes -o UserKnownHostsFile=/var/lib/goldsmith/boots/boot-zzem9nd0/known_hosts
    directory: /var/lib/goldsmith/boots/boot-zzem9nd0
    console_log: /var/lib/goldsmith/boots/boot-zzem9nd0/console.log
    expires: "2026-11-23T04:10:00Z"
stage:
  description:
    - Where the boot failed. V(firmware), V(boot_loader), V(kernel), V(initramfs), V(systemd), V(cloud_init) or
      V(network).
  returned: when the image does not boot well
  type: str
  sample: kernel
console:
  description: The last lines of the console.
  returned: when the image does not boot well
  type: list
  elements: str
  sample:
    - "[    1.873204] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.runner import run_module
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.image_boot import (
    SECRET_OPTIONS,
    boot_argument_spec,
    manage_boot,
)


def main() -> None:
    module = AnsibleModule(argument_spec=boot_argument_spec(), supports_check_mode=True)
    run_module(module, manage_boot, free_form=SECRET_OPTIONS)


if __name__ == "__main__":
    main()
