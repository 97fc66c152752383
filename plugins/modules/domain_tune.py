#!/usr/bin/python
# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: domain_tune
short_description: Make libvirt domains match what was asked of their pinning, memory and disks
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Changes domains that exist, many in one call, by wishes for names, UUIDs or patterns. What can change while a domain
    runs is changed at once, and everything in the definition that it starts with next.
  - Looks at the host first, and refuses what libvirt would accept and could not start, or would drop without a word.
    Nothing at all is written then, unless O(on_refused=warn).
  - Whatever no wish names stays, metadata and passwords of consoles among it. Values are compared by their meaning, so
    that a second run changes nothing.
  - All domains are changed as one transaction. If anything fails, what was done before is taken back. After each change
    the domain is read back.
  - A knob that needs a start of the domain is reported as V(pending_restart) until it had one. Nothing is restarted
    unless O(restart=if_needed).
  - What the last change did to a definition can be undone, with O(state=restored).
extends_documentation_fragment:
  - goldsmith.kvm.attributes
  - goldsmith.kvm.attributes.actiongroup_kvm
  - goldsmith.kvm.libvirt
  - goldsmith.kvm.libvirt.wishes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the knobs that change, and no XML.
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) makes the domains as O(wishes) say, and needs them.
      - V(restored) undoes the last change that this module made to the definition of each domain, and of it the knobs
        that were touched alone, which are recorded in O(backup_dir). A running domain follows as with wishes. A knob
        that somebody else has changed since is refused. A second run changes nothing; changes before the last one
        cannot be undone this way.
    type: str
    choices: [present, restored]
    default: present
  domains:
    description:
      - Names, UUIDs or patterns of the domains that O(state=restored) is about. Without it, those that O(wishes)
        name, of which nothing else matters then. Not for O(state=present).
    type: list
    elements: str
  restart:
    description:
      - Whether running domains are shut down and started again where a knob of theirs waits for it. That is done when
        all domains are changed, one after the other. Nothing is taken back then any more.
      - Guests are asked to shut down as by the power button. None is ever forced off. One that does not end in time is
        an error, after all others have been restarted.
      - A domain that is paused, has a managed save image, or does not end when its guest does, cannot be restarted.
        That is refused before anything is written, unless O(on_refused=warn).
    type: str
    choices: [never, if_needed]
    default: never
  restart_timeout:
    description:
      - How many seconds each guest has for shutting down.
    type: int
    default: 300
  on_refused:
    description:
      - Whether a knob that is refused lets the module fail before anything is written, or is only warned of and left
        out.
    type: str
    choices: [fail, warn]
    default: fail
  atomic:
    description:
      - Whether all domains are put back as they were when one of them fails. Otherwise that one alone is, the others
        are changed, and the module fails at the end.
    type: bool
    default: true
  allow_empty:
    description:
      - Whether patterns for domains may fit no domain, and O(wishes[].disks[].match) and
        O(wishes[].interfaces[].match) no device of any of the wish's domains. What is named by name, UUID, target or
        address has to be there in any case.
    type: bool
    default: false
  backup_dir:
    description:
      - A directory for the definitions that domains had before they were changed, one directory for each UUID, readable
        for their owner alone, as they hold passwords of consoles. Beside each is a record of the knobs that were
        changed. Runs wait for each other by a lock in it.
    type: path
    default: /var/lib/goldsmith/domains
  backup_keep:
    description:
      - How many definitions of each domain are kept, the newest.
    type: int
    default: 10
notes:
  - For another host than the one that the module runs on, O(uri) says so, the preflight knows no more than libvirt's
    capabilities.
  - A transient domain is never made persistent. Of its knobs those can change that libvirt changes while it runs.
  - libvirt has no call that takes a pin away from a running domain. Its threads are then pinned to all CPUs that they
    may use, and the definition has no pin any more.
seealso:
  - module: goldsmith.kvm.domain_tuning_info
  - module: community.libvirt.virt
"""

EXAMPLES = r"""
- name: Tune the databases
  goldsmith.kvm.domain_tune:
    wishes:
      - domains: ["db-*"]
        memory_backing: {hard_limit: auto, nosharepages: true}
        balloon: {model: none}
        disks:
          - match: {bus: virtio}
            cache: none
            io: native
            discard: unmap
      - domains: [db-1]
        cputune:
          vcpupin:
            - {vcpu: "0", cpuset: "2"}
            - {vcpu: "1", cpuset: unpinned}
          emulatorpin: "0,4"
      - domains: [db-2]
        cputune:
          vcpupin_each: [2, 4]
  register: tuned

- name: Give each vCPU half a CPU, and the network cards a queue for each vCPU, where there are such cards
  goldsmith.kvm.domain_tune:
    allow_empty: true
    wishes:
      - domains: ["db-*"]
        cputune: {shares: "512", quota: "50000", period: "100000"}
        iothreads: 1
        cpu:
          mode: host-model
          topology: {cores: 2}
        interfaces:
          - match: {model: virtio}
            queues: "2"
        clock:
          timers:
            - {name: hpet, present: "no"}

- name: Which of them wait for a restart?
  ansible.builtin.debug:
    msg: "{{ tuned.domains | dict2items | selectattr('value.restart_required') | map(attribute='key') }}"

- name: Let them run with it, one after the other
  goldsmith.kvm.domain_tune:
    restart: if_needed
    restart_timeout: 600
    wishes:
      - domains: ["db-*"]
        profile: database
        memory_backing: {nosharepages: false}

- name: Undo the last change of them
  goldsmith.kvm.domain_tune:
    state: restored
    domains: ["db-*"]

- name: Take pins back, where there are such domains
  goldsmith.kvm.domain_tune:
    allow_empty: true
    wishes:
      - domains: ["web-*"]
        cputune:
          vcpupin: [{vcpu: all, cpuset: unpinned}]
          emulatorpin: unpinned
"""

RETURN = r"""
domains:
  description:
    - What became of each domain, by name. In check mode, and where the call fails because knobs are refused, what would
      become of it.
  returned: success, and when knobs are refused, domains fail with O(atomic=false), or cannot be restarted
  type: dict
  sample:
    db-1:
      uuid: 6695eb01-f6a4-8304-79aa-97f2502e193f
      state: running
      changed: true
      restart_required: true
      restarted: false
      warnings: []
      backup: /var/lib/goldsmith/domains/6695eb01-f6a4-8304-79aa-97f2502e193f/20261123T061416.512094.xml
      knobs:
        - knob: disks.vda.cache
          wished: none
          status: pending_restart
          reason: libvirt changes this with the next start of the domain only
          persistent: {before: default, after: none}
          live: {before: default, after: default}
        - knob: cputune.vcpupin.0
          wished: "2"
          status: applied_live
          reason: null
          persistent: {before: unpinned, after: "2"}
          live: {before: unpinned, after: "2"}
  contains:
    uuid:
      description: Its UUID.
      type: str
    state:
      description: V(running), V(paused), V(shutoff), V(shutdown), V(crashed) or V(pmsuspended).
      type: str
    changed:
      description: Whether anything of it was changed.
      type: bool
    restart_required:
      description: Whether any knob waits for the domain to be shut off and started again.
      type: bool
    restarted:
      description: Whether it was shut down and started again.
      type: bool
    warnings:
      description: What works, but hurts.
      type: list
      elements: str
    error:
      description:
        - Why the domain failed and is as it was before, with O(atomic=false), or why it could not be restarted.
      type: str
    backup:
      description: The file with the definition as it was. Missing where the definition did not change.
      type: str
    knobs:
      description: Every knob that was wished.
      type: list
      elements: dict
      contains:
        knob:
          description: Its name.
          type: str
        wished:
          description: What it is to be. Sizes are bytes.
          type: raw
        status:
          description:
            - V(already), V(applied) to the definition, V(applied_live) to the running domain, V(pending_restart) where
              the running domain still has another value, or V(refused).
          type: str
        reason:
          description: Why it is refused or waits, or how its value was found.
          type: str
        persistent:
          description: RV(ignore:before) and RV(ignore:after) in the definition. V(null) for a transient domain.
          type: dict
        live:
          description: RV(ignore:before) and RV(ignore:after) in the running domain. V(null) where it does not run.
          type: dict
failed_domains:
  description: Which domains failed and are as they were before, or could not be restarted.
  returned: when domains fail with O(atomic=false), or with O(restart=if_needed)
  type: list
  elements: str
  sample: [db-2]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.interpreter import require_libraries
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.runner import run_module
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.domain_tune import tune_argument_spec, tune_domains
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.bindings import PACKAGES


def main() -> None:
    module = AnsibleModule(argument_spec=tune_argument_spec(), supports_check_mode=True)
    require_libraries(module, PACKAGES)
    run_module(module, tune_domains)


if __name__ == "__main__":
    main()
