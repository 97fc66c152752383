#!/usr/bin/python
# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_customize
short_description: Turn a base image into a published golden image
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Carries a list of steps out in an image, offline and in one go, and publishes the result as a compressed qcow2 that
    needs no other file. The base stays as it is.
  - A golden image is published as C(NAME-SERIAL-FINGERPRINT.qcow2), with the serial of its base (the first eight digits
    of the base's digest, where it has none) and the first eight digits of its fingerprint. It has mode C(0444) and is
    never changed again, so that guests may be backed by it. C(NAME.qcow2) is a link to the current one, replaced at one
    stroke.
  - The fingerprint covers all that decides the result, which is the base's digest, the steps, the content of the
    files that they put in, O(size), O(compression) and O(engine). When the image of a fingerprint is there already,
    nothing is built. Versions of the tools are recorded but do not count, so that an upgrade of the host does not
    rebuild every image.
  - The build record beside the image, C(NAME-SERIAL-FINGERPRINT.qcow2.json), says what it was made from, by which
    tools, and which packages came in. The image has a copy in C(/usr/share/goldsmith/build-record.json), less what is
    only known when it is finished.
  - Machine-id and random seed are in the end as the base had them. Every clone gets its own.
  - Nothing is visible in O(dest_dir) before it is complete, checked and on the disk. When a step fails, or the run is
    interrupted, the current image stays. Two runs for one O(name) wait for each other.
extends_documentation_fragment:
  - goldsmith.kvm.attributes
  - goldsmith.kvm.attributes.actiongroup_kvm
attributes:
  check_mode:
    support: full
    details:
      - Answered from digests and records alone. Nothing is launched, sent or written.
      - A program that is missing on the target is a warning.
      - Where the path of the new image cannot be known yet, RV(image.path), RV(record) and RV(fingerprint) are V(null).
        That is so when M(goldsmith.kvm.image_fetch) could not tell the base's digest, and when steps hold a secret
        and the store has no key yet.
  diff_mode:
    support: full
    details:
      - Shows the recipe of the current image and the wanted one. Secrets are shown as seals that tell only whether
        they differ.
  idempotent:
    support: full
options:
  base:
    description:
      - The image to start from. RV(goldsmith.kvm.image_fetch#module:image), or a dictionary with C(path) and, where you
        know them, C(digest) (C(sha256:HEX), which is then demanded), C(product), C(serial) and C(proof).
      - C(path) is on the target. A file outside the store is read once to find its digest.
      - An image that names another file (a backing file, an external data file) is refused.
    type: dict
    required: true
  dest_dir:
    description:
      - Directory on the target in which the golden image is published. It is made when it is missing.
    type: path
    required: true
  name:
    description:
      - Beginning of the golden image's file name, such as V(noble-base).
    type: str
    required: true
  steps:
    description:
      - What is done to the image, in this order. Each step is a dictionary with one key, the kind of step, which holds
        a dictionary of its options.
      - All steps are carried out in one launch of the engine. Each may build upon the ones before it.
      - Files that steps name are found on the controller as M(ansible.builtin.copy) finds them. Only those are sent
        that the store lacks, and only when the image has to be built.
    type: list
    elements: dict
    required: true
    # Begin of what tests/tools/step_docs.py writes
    suboptions:
      name:
        description:
          - What logs and errors call the step, beside its number.
        type: str
      condition:
        description:
          - For which bases the step is meant. For others it is left out, as if it were not written.
          - What the base is, is known of an image that M(goldsmith.kvm.image_fetch) fetched or
            this module built; any other is looked into once.
        type: dict
        suboptions:
          distribution:
            description:
              - Distributions, as C(ID) in the base's C(/etc/os-release) has them, such as V(ubuntu).
            type: list
            elements: str
          version:
            description:
              - 'Versions, as C(VERSION_ID) there has them: one, as in V(24.04), or comparisons
                with commas between them that all have to hold, as in V(>=22.04,<25).'
            type: str
      timeout:
        description:
          - Seconds that the step may take, within the time for the whole build.
        type: int
      upload:
        description:
          - Put a file into the image, replacing what is there.
        type: dict
        suboptions:
          src:
            description:
              - The file. It is looked for on the controller as M(ansible.builtin.copy) does, in
                the C(files) of the role and beside the playbook, and decrypted where it is encrypted
                by Ansible Vault.
              - It travels to the target only when the image has to be built and the store does
                not have it yet.
            type: str
            required: true
          remote_src:
            description:
              - Whether O(steps[].upload.src) is a path on the target.
            type: bool
            default: false
          dest:
            description:
              - Absolute path inside the image. With a slash at the end it is the directory that
                the file is put into.
              - The directory has to exist in the image.
            type: str
            required: true
          mode:
            description:
              - Permissions in octal, quoted as in V('0644').
            type: raw
            default: '0644'
          owner:
            description:
              - User of the image who owns the file.
            type: str
            default: root
          group:
            description:
              - Group of the image that the file belongs to.
            type: str
            default: root
      write:
        description:
          - Write a file inside the image, replacing what is there.
          - The content stands in the build record. A secret does not belong here.
        type: dict
        suboptions:
          dest:
            description:
              - Absolute path inside the image. Its directory has to exist there.
            type: str
            required: true
          content:
            description:
              - 'What the file is to hold, byte for byte in UTF-8: no line break is added at its
                end.'
            type: str
            required: true
          mode:
            description:
              - Permissions in octal, quoted as in V('0644').
            type: raw
            default: '0644'
          owner:
            description:
              - User of the image who owns the file.
            type: str
            default: root
          group:
            description:
              - Group of the image that the file belongs to.
            type: str
            default: root
      packages:
        description:
          - Remove, upgrade and install packages of Debian or Ubuntu, in this order, from the repositories
            that the image knows.
          - The package lists are refreshed first, and the build stops when that fails for any of
            the repositories.
          - Services are not started. Configuration files that were changed stay as they are. Downloaded
            packages are deleted again, and so are the package lists when the base had none.
        type: dict
        suboptions:
          install:
            description:
              - 'Packages to install, as C(apt-get) takes them: V(nginx), V(nginx=1.24.0-2).'
            type: list
            elements: str
            default: []
          remove:
            description:
              - Packages to remove. Their configuration files stay.
            type: list
            elements: str
            default: []
          upgrade:
            description:
              - V(yes) upgrades what is installed and adds packages where that needs them, such
                as those of a new kernel, but removes none.
              - V(dist) may also remove packages (C(apt-get dist-upgrade)).
            type: str
            choices:
              - 'no'
              - 'yes'
              - dist
            default: 'no'
          recommends:
            description:
              - Whether packages that others recommend are installed with them.
            type: bool
            default: false
      disable_unattended_upgrades:
        description:
          - 'Keep the image from upgrading itself. It has no options: write C({}).'
          - C(unattended-upgrades.service), C(apt-daily.timer) and C(apt-daily-upgrade.timer) are
            masked, also where the package is installed only later, and apt's periodic jobs are
            switched off by C(/etc/apt/apt.conf.d/99-no-unattended-upgrades).
          - 'These jobs race with cloud-init and with configuration management for dpkg''s lock
            at first boot. Rebuild the image regularly instead, with C(packages: {upgrade: dist}).'
        type: dict
      user:
        description:
          - Make a user, or bring one that exists to what is asked for. What is not named stays
            as it is.
          - Without O(steps[].user.password_hash) a new user cannot log in with a password.
        type: dict
        suboptions:
          name:
            description:
              - Name of the user.
            type: str
            required: true
          comment:
            description:
              - Full name, or another comment.
            type: str
          groups:
            description:
              - Groups to join, beside the user's own and those joined already. They have to exist.
            type: list
            elements: str
            default: []
          shell:
            description:
              - Login shell. A new user gets C(/bin/bash), a new O(steps[].user.system) user C(/usr/sbin/nologin).
            type: str
          sudo:
            description:
              - Whether the user may do everything by C(sudo), without a password or with the user's
                own, by a file in C(/etc/sudoers.d). V(none) removes that file. Without it, that
                stays as it is.
            type: str
            choices:
              - nopasswd
              - password
              - none
          authorized_keys:
            description:
              - Public SSH keys to add to those that the user has.
            type: list
            elements: str
            default: []
          system:
            description:
              - 'Whether a new user is a system user: an ID from the system''s range, and no home
                directory.'
            type: bool
            default: false
          uid:
            description:
              - Numerical user ID.
            type: int
          password_hash:
            description:
              - Hash of the password as in crypt(5). It belongs into the image, and stands in no
                log and no record.
              - V(*) or V(!) locks the password.
            type: str
      ssh_inject:
        description:
          - Append a public key to the C(authorized_keys) of a user that exists in the image.
          - 'Ubuntu''s default user C(ubuntu) does not: cloud-init makes it at first boot. Give
            its keys to cloud-init (C(ssh_authorized_keys) in the user-data or in a file of C(/etc/cloud/cloud.cfg.d)),
            or make a user of your own with the step C(user).'
        type: dict
        suboptions:
          user:
            description:
              - Name of the user.
            type: str
            required: true
          key:
            description:
              - The public key, one line of an C(authorized_keys) file.
            type: str
            required: true
      hostname:
        description:
          - Set the host name.
          - Every clone starts with it. In an image with cloud-init a host name from the metadata
            replaces it at boot.
        type: dict
        suboptions:
          name:
            description:
              - The host name.
            type: str
            required: true
      timezone:
        description:
          - Set the time zone.
        type: dict
        suboptions:
          name:
            description:
              - A name of the tz database, such as V(Europe/Oslo). The image has to know it (package
                C(tzdata)).
            type: str
            required: true
      systemd_unit:
        description:
          - Put in a systemd unit or a drop-in for one, and say whether it starts at boot.
          - No service manager runs in the image; nothing is started or stopped.
        type: dict
        suboptions:
          name:
            description:
              - Name of the unit with its type, such as V(web.service).
            type: str
            required: true
          content:
            description:
              - The unit's file, C(/etc/systemd/system/NAME). It stands in the build record.
            type: str
          src:
            description:
              - The same, as a file of the controller, which is found as in C(upload).
            type: str
          remote_src:
            description:
              - Whether O(steps[].systemd_unit.src) is a path on the target.
            type: bool
            default: false
          drop_in:
            description:
              - Name of a drop-in, such as V(10-memory.conf). O(steps[].systemd_unit.content) or
                O(steps[].systemd_unit.src) is then the drop-in C(/etc/systemd/system/NAME.d/10-memory.conf),
                and the unit's own file stays.
            type: str
          enabled:
            description:
              - Whether it starts at boot. Without it, that stays as it is.
            type: bool
          masked:
            description:
              - Whether it cannot be started at all. Without it, that stays as it is.
            type: bool
      run_command:
        description:
          - 'Run shell commands as root inside the image, by its own C(sh -e): the first one that
            fails stops the build.'
          - The commands stand in the build record. A secret does not belong there.
          - No service manager runs in the image. C(systemctl enable), C(disable) and C(mask) work,
            C(start) does not.
        type: dict
        suboptions:
          command:
            description:
              - A command line, or a script of several lines.
            type: str
            required: true
          chdir:
            description:
              - Directory of the image to run it in.
            type: str
          timeout:
            description:
              - Seconds that it may take, within the time for the whole build.
            type: int
          network:
            description:
              - Whether it needs the network.
            type: bool
            default: true
    # End of what tests/tools/step_docs.py writes
  size:
    description:
      - Size of the virtual disk, such as V(10G). It can only be larger than the base's.
      - The root partition and its file system are grown during the build where they are the last on the disk, and
        cloud-init grows them at first boot where that is not so.
      - Without it, the disk is as large as the base's.
    type: str
  compression:
    description:
      - How the golden image is compressed. V(zstd) is several times faster than V(zlib), and needs QEMU 5.1 or newer
        where guests run.
    type: str
    choices: [zstd, zlib, none]
    default: zstd
  engine:
    description:
      - What carries the steps out. V(virt_customize) works in libguestfs' appliance, a small virtual machine. It needs
        no root and is safe with images of any origin.
    type: str
    choices: [virt_customize]
    default: virt_customize
  accel:
    description:
      - What the appliance runs on. V(kvm) is fast, V(tcg) works everywhere and takes about 20 times longer.
      - V(auto) finds out whether KVM really works, and warns when it does not.
    type: str
    choices: [auto, kvm, tcg]
    default: auto
  network:
    description:
      - Whether steps have the network.
    type: bool
    default: true
  memsize:
    description:
      - Memory of the appliance in MiB. Without it, the engine decides.
    type: int
  smp:
    description:
      - Number of the appliance's virtual CPUs. Without it, the engine decides.
    type: int
  timeout:
    description:
      - Seconds that all steps together may take.
    type: int
    default: 3600
  owner:
    description:
      - User who owns the golden image.
    type: str
  group:
    description:
      - Group that the golden image belongs to.
    type: str
  store:
    description:
      - Directory of the store. It is made when it is missing.
      - Its file system needs room for what the steps write, and for the files that they put in.
    type: path
    default: /var/lib/goldsmith
  payloads:
    description:
      - Not for users. In it the controller tells the target of the files that steps name.
    type: dict
    suboptions:
      digests:
        description: Digest of each file.
        type: dict
        default: {}
      directory:
        description: Where the missing ones have been put.
        type: path
requirements:
  - qemu-img 5.1 or newer (package qemu-utils)
  - virt-customize 1.40 or newer (package guestfs-tools) and a kernel that its appliance can read
notes:
  - M(goldsmith.kvm.image_store) does not prune a base that a golden image was made from.
seealso:
  - module: goldsmith.kvm.image_fetch
  - module: goldsmith.kvm.image_store
"""

EXAMPLES = r"""
- name: Fetch a verified image
  goldsmith.kvm.image_fetch:
    release: noble
  register: fetched

- name: Make a golden image of it
  goldsmith.kvm.image_customize:
    base: "{{ fetched.image }}"
    dest_dir: /var/lib/libvirt/images/golden
    name: noble-base
    steps:
      - packages: {install: [qemu-guest-agent], upgrade: dist}
      - disable_unattended_upgrades: {}
      - timezone: {name: Etc/UTC}
      - user:
          name: ops
          sudo: nopasswd
          authorized_keys:
            - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com
  register: golden

- name: Say where it is
  ansible.builtin.debug:
    msg: "{{ golden.image.path }} ({{ golden.packages_added | length }} packages added)"

- name: Put in files and a service, on a larger disk
  goldsmith.kvm.image_customize:
    base: "{{ fetched.image }}"
    dest_dir: /var/lib/libvirt/images/golden
    name: noble-web
    size: 20G
    steps:
      - packages: {install: [nginx-light]}
      # files/site.conf of the role or the playbook
      - upload: {src: site.conf, dest: /etc/nginx/conf.d/}
      # a file of the target
      - upload: {src: /srv/builds/app, remote_src: true, dest: /usr/local/bin/app, mode: "0755"}
      - systemd_unit:
          name: app.service
          enabled: true
          content: |
            [Unit]
            Description=Our application
            [Service]
            ExecStart=/usr/local/bin/app
            [Install]
            WantedBy=multi-user.target
      - systemd_unit:
          name: nginx.service
          drop_in: 10-restart.conf
          content: |
            [Service]
            Restart=always
      - run_command: {command: "nginx -t", timeout: 60, network: false}

- name: See what would change
  goldsmith.kvm.image_customize:
    base: {path: /srv/images/debian-12.qcow2}
    dest_dir: /var/lib/libvirt/images/golden
    name: debian-base
    steps:
      - hostname: {name: golden}
      - write: {dest: /etc/motd, content: "Built by goldsmith.kvm\n"}
  check_mode: true
  diff: true
"""

RETURN = r"""
image:
  description: The golden image. In check mode what it would be.
  returned: success
  type: dict
  contains:
    path:
      description: Where it is published. Guests should be backed by this path, not by the link.
      type: str
    current:
      description: The link to it.
      type: str
    digest:
      description: Digest of its content; V(null) while it is not built.
      type: str
    size:
      description: Bytes of the file; V(null) while it is not built.
      type: int
  sample:
    path: /var/lib/libvirt/images/golden/noble-base-20250601-3f9ab2c1.qcow2
    current: /var/lib/libvirt/images/golden/noble-base.qcow2
    digest: sha256:5d1c8a3b7d3f1a5bd0f2b7c0f3c1e8b45c3b0b0fb4f3f2c6f4f7b9a2e7c1d0a9
    size: 655818752
record:
  description: Path of the build record.
  returned: success
  type: str
  sample: /var/lib/libvirt/images/golden/noble-base-20250601-3f9ab2c1.qcow2.json
steps:
  description: Each step, and whether it differs from that of the image that was current before.
  returned: success
  type: list
  elements: dict
  contains:
    index:
      description: Number of the step, from 1.
      type: int
    step:
      description: Kind of the step.
      type: str
    digest:
      description: Digest of the step's canonical form.
      type: str
    changed:
      description: Whether the image that was current before was made by another step in its place, or by none.
      type: bool
  sample:
    - index: 1
      step: packages
      digest: sha256:9a0c6a3f0c8e4d4ac5b2bb38f0ee2b6b0a8d4bb7fd28f1b4b9d3a2a6b4a7f0c1
      changed: false
    - index: 2
      step: timezone
      digest: sha256:0b7f2f4f6c1de1c1bb2d8d7a3c9f7c3c5b8e5f6f0f6a4b3b1f1c9d2e0a5b6c7d
      changed: true
fingerprint:
  description: Digest over all that decides the result.
  returned: success
  type: str
  sample: sha256:3f9ab2c1a0b4d4e17f6f5d5c3b2a19080f7e6d5c4b3a29180706f5e4d3c2b1a0
packages_added:
  description: Packages by version that the base did not have. Empty in check mode while the image is not built.
  returned: success
  type: dict
  sample:
    qemu-guest-agent: 1:8.2.2+ds-0ubuntu1.7
stages:
  description: Seconds by stage, in the order in which they began.
  returned: success
  type: dict
  sample:
    plan: 0.004
    wait: 0.0
    payloads: 0.0
    preflight: 0.412
    customize: 41.873
    compress: 3.104
    check: 0.021
    digest: 0.402
    publish: 0.011
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.file_attributes import ModuleAttributes
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.runner import run_module
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.customize import customize_image
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.customize_request import customize_argument_spec


def main() -> None:
    module = AnsibleModule(argument_spec=customize_argument_spec(), supports_check_mode=True)
    run_module(module, partial(customize_image, attributes=ModuleAttributes(module)))


if __name__ == "__main__":
    main()
