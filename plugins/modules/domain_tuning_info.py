#!/usr/bin/python
# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: domain_tuning_info
short_description: Tell of libvirt domains how they are tuned, and what the kernel really does
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Puts side by side what was wished of each knob of a domain, what its definition says, what it runs with, and what
    the kernel does, which is the affinity of each thread, scheduler and priority, cpusets of cgroups, locked memory and
    huge pages, NUMA nodes that the memory lies on, the flags of open disk files, and QEMU's command line.
  - Where they disagree, it says so with a name and a reason.
  - Without O(wishes) it tells what is inconsistent in itself, such as definitions that could not start any more.
  - Warns of a match of O(wishes[].disks) or O(wishes[].interfaces) that fits no device of any of the domains.
  - Needs no right to change domains. What the kernel does is only seen on the host that the domains run on, and some of
    it by root alone; otherwise that column is V(unavailable), and says why.
extends_documentation_fragment:
  - goldsmith.kvm.attributes
  - goldsmith.kvm.attributes.info
  - goldsmith.kvm.attributes.actiongroup_kvm
  - goldsmith.kvm.libvirt
  - goldsmith.kvm.libvirt.wishes
options:
  domains:
    description:
      - Names, UUIDs, or patterns of the shell that names fit. All domains by default, of which there may be none.
    type: list
    elements: str
    default: ['*']
  backup_dir:
    description:
      - Where M(goldsmith.kvm.domain_tune) records what it changes. What has another value since then was
        V(changed_by_hand). It is for root alone by default; who may not read it is not told of that.
    type: path
    default: /var/lib/goldsmith/domains
  allow_empty:
    description:
      - Whether patterns for domains may fit no domain. What is named by name or UUID has to be there in any case.
    type: bool
    default: false
  only_drift:
    description:
      - Whether knobs are left out that agree everywhere.
    type: bool
    default: false
seealso:
  - module: goldsmith.kvm.domain_tune
"""

EXAMPLES = r"""
- name: What is wrong with the domains of this host?
  goldsmith.kvm.domain_tuning_info:
    only_drift: true
  register: audit

- name: Say it
  ansible.builtin.debug:
    msg: "{{ audit.domains.values() | map(attribute='drift') | flatten }}"

- name: Are the databases as they should be?
  goldsmith.kvm.domain_tuning_info:
    domains: ["db-*"]
    wishes:
      - domains: ["db-*"]
        disks: [{match: {bus: virtio}, cache: none}]
  register: databases

- name: Refuse to go on otherwise
  ansible.builtin.assert:
    that: databases.domains.values() | map(attribute='drift') | flatten | length == 0
  ignore_errors: true
"""

RETURN = r"""
domains:
  description: The domains by name.
  returned: success
  type: dict
  sample:
    db-1:
      uuid: 6695eb01-f6a4-8304-79aa-97f2502e193f
      state: running
      persistent: true
      restart_required: false
      drift:
        - >-
          cputune.vcpupin.0: affinity_reset: libvirt has 2, and the kernel lets the thread run on 0-3: something else
          has moved it, such as systemd's daemon-reload, tuned, numad, irqbalance or taskset
      knobs:
        - knob: cputune.vcpupin.0
          wished: "2"
          persistent: "2"
          live: "2"
          kernel: 0-3
          kernel_reason: null
          drift:
            - name: affinity_reset
              reason: >-
                libvirt has 2, and the kernel lets the thread run on 0-3: something else has moved it, such as systemd's
                daemon-reload, tuned, numad, irqbalance or taskset
      backup: null
      records: 0
      records_reason: null
      process: null
  contains:
    uuid:
      description: Its UUID.
      type: str
    state:
      description: V(running), V(paused), V(shutoff), V(shutdown), V(crashed) or V(pmsuspended).
      type: str
    persistent:
      description: Whether it has a definition, and is not transient.
      type: bool
    restart_required:
      description: Whether any knob waits for the domain to be shut off and started again.
      type: bool
    drift:
      description: All that disagrees, as sentences.
      type: list
      elements: str
    knobs:
      description: Every knob that the domain has, or that was wished of it.
      type: list
      elements: dict
      contains:
        knob:
          description: Its name.
          type: str
        wished:
          description: What O(wishes) ask for. Sizes are bytes. V(null) where they do not name it.
          type: raw
        persistent:
          description: What the definition says, by a word where it says nothing.
          type: raw
        live:
          description: What the running domain has, as libvirt knows it.
          type: raw
        kernel:
          description:
            - What the kernel and QEMU do. V(null) where the knob has nothing that can be seen, or the domain does not
              run, and V(unavailable) where it could not be seen.
          type: raw
        kernel_reason:
          description: Why it could not be seen.
          type: str
        drift:
          description:
            - What disagrees. V(not_as_wished), V(pending_restart), V(live_differs) where a knob that can change at once
              was changed in one place alone, V(changed_by_hand) where the definition is no longer as
              M(goldsmith.kvm.domain_tune) has left it, V(affinity_reset), V(cgroup_limits), V(cgroup_reset),
              V(kernel_differs), V(cannot_start) for what would keep the domain from starting, and V(hurts) for what
              works at a price.
          type: list
          elements: dict
          contains:
            name:
              description: One of these names.
              type: str
            reason:
              description: What is known of it.
              type: str
    backup:
      description: The definition before the last recorded change. V(null) where there is none.
      type: str
    records:
      description: How many changes are recorded, or V(unavailable).
      type: raw
    records_reason:
      description: Why they could not be read.
      type: str
    process:
      description: QEMU's process. V(null) where the domain does not run, or not on the host that the module runs on.
      type: dict
      contains:
        pid:
          description: Its number.
          type: int
        command_line:
          description:
            - Its arguments. V(…) stands for what might be secret, such as the values of C(-smbios) and C(-fw_cfg).
          type: list
          elements: str
        threads:
          description: Its threads.
          type: list
          elements: dict
          contains:
            tid:
              description: Number of the thread.
              type: int
            name:
              description: V(CPU 0/KVM), V(IO iothread1), and so on.
              type: str
            affinity:
              description: The CPUs that it may use.
              type: str
            policy:
              description: V(other), V(fifo), V(rr), V(batch), V(idle) or V(deadline).
              type: str
            priority:
              description: Priority of a realtime policy, else 0.
              type: int
            cgroup:
              description: What its cgroup allows. Each is V(null) where the host has no such controller.
              type: dict
              contains:
                cpus:
                  description: The CPUs.
                  type: str
                nodes:
                  description: The NUMA nodes that memory may come from.
                  type: str
                quota:
                  description: Microseconds of CPU time in each period. V(-1) without a limit.
                  type: int
                period:
                  description: Microseconds.
                  type: int
        cgroup:
          description: What the cgroup of the whole domain has. Each is V(null) where libvirt has none for it.
          type: dict
          contains:
            shares:
              description: Its weight among others, on a scale that depends on the version of cgroups.
              type: int
            memory:
              description: Bytes of memory that it may use. V(-1) without a limit.
              type: int
        locked:
          description: Bytes of memory that cannot be swapped out.
          type: int
        memory_by_node:
          description: Bytes of memory by NUMA node. V(null) without the right to know.
          type: dict
        memory_by_page_size:
          description: Bytes of memory by the size of their pages. V(null) without the right to know.
          type: dict
        files:
          description:
            - By path of what it has open, those of the flags C(O_DIRECT) and C(O_DSYNC) that it was opened with.
              V(null) without the right to know.
          type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.interpreter import require_libraries
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.runner import run_module
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.domain_tuning_info import (
    audit_domains,
    info_argument_spec,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.bindings import PACKAGES


def main() -> None:
    module = AnsibleModule(argument_spec=info_argument_spec(), supports_check_mode=True)
    require_libraries(module, PACKAGES)
    run_module(module, audit_domains)


if __name__ == "__main__":
    main()
