# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  uri:
    description:
      - Where libvirt is asked. Use V(qemu:///session) for domains of a user's own, and C(qemu+ssh://HOST/system) for
        those of another host. Other hypervisors than QEMU are refused, and who does not answer within a minute is given
        up.
    type: str
    default: qemu:///system
requirements:
  - libvirt's Python bindings (package C(python3-libvirt)), 6.0 or newer
  - lxml (package C(python3-lxml))
notes:
  - Where the Python that Ansible uses lacks the bindings or lxml, the module starts itself anew with the system's own
    Python, for which the distribution has them.
"""

    WISHES = r"""
options:
  wishes:
    description:
      - What is asked of which domains. Of wishes that say something of the same knob of the same domain, the last one
        counts. What no wish says anything of stays as it is.
      - Each knob has a word for libvirt's own default, which takes back what was set before, such as V(unpinned),
        V(default), V(none) or V(false).
      - Sets of CPUs are written V(0-3,8) or V(0-7,^2), sizes V(512M) or V(4G), in powers of 1024.
    type: list
    elements: dict
    suboptions:
      domains:
        description:
          - Names, UUIDs, or patterns of the shell that names fit, such as V(db-*).
        type: list
        elements: str
        required: true
      profile:
        description:
          - The name of a bundle of wishes. What the same wish says besides, and later wishes, win over it knob by knob.
            The guide to tuning domains has all values of each profile, with their reasons.
          - V(database) is for guests with a cache of their own, V(realtime) for those that must never wait for their
            memory, V(throughput) for those that are to move much data, and V(density) for as many of them as the host
            can take.
          - No profile names CPUs, priorities of schedulers or huge pages, which depend on what the host has to give.
        type: str
        choices: [database, realtime, throughput, density]
      cputune:
        description:
          - Which CPUs of the host the threads of the domain may use, and how they are scheduled there.
          - libvirt pins the threads of a running domain at once, and writes the definition for its next start.
          - On isolated CPUs (isolcpus) pin one to one; the scheduler does not spread threads over them.
        type: dict
        suboptions:
          vcpupin:
            description:
              - The CPUs of each vCPU.
            type: list
            elements: dict
            suboptions:
              vcpu:
                description:
                  - The vCPU, several of them as in V(0-3), or V(all).
                type: str
                required: true
              cpuset:
                description:
                  - CPUs of the host, or V(unpinned).
                type: str
                required: true
          vcpupin_each:
            description:
              - The CPUs of the host in the order of the vCPUs, one for each. V([4, 5, 8]) pins vCPU 0 to CPU 4, and so
                on; V(4-7) are four CPUs. There have to be as many as vCPUs, and each once.
            type: list
            elements: str
          emulatorpin:
            description:
              - CPUs for the threads of QEMU that are neither vCPUs nor iothreads, or V(unpinned).
            type: str
          iothreadpin:
            description:
              - The CPUs of each iothread.
            type: list
            elements: dict
            suboptions:
              iothread:
                description:
                  - The number of the iothread, several of them as in V(1-2), or V(all).
                type: str
                required: true
              cpuset:
                description:
                  - CPUs of the host, or V(unpinned).
                type: str
                required: true
          vcpusched:
            description:
              - How the kernel schedules the threads of vCPUs. Comes with the next start.
              - A vCPU of V(fifo) or V(rr) starves everything else on its CPU. Keep the emulator, by
                O(wishes[].cputune.emulatorpin), and other guests off there; otherwise the guest may not even boot.
            type: list
            elements: dict
            suboptions:
              vcpus:
                description:
                  - The vCPU, several of them as in V(0-3), or V(all).
                type: str
                required: true
              scheduler:
                description:
                  - V(fifo) and V(rr) are the realtime policies, V(default) is the kernel's usual one.
                type: str
                choices: [default, batch, idle, fifo, rr]
                required: true
              priority:
                description:
                  - From 1 to 99. Required with V(fifo) and V(rr), and only possible with them.
                type: int
          emulatorsched:
            description:
              - How the kernel schedules QEMU's own threads. Comes with the next start.
            type: dict
            suboptions:
              scheduler:
                description:
                  - As with O(wishes[].cputune.vcpusched[].scheduler).
                type: str
                choices: [default, batch, idle, fifo, rr]
                required: true
              priority:
                description:
                  - As with O(wishes[].cputune.vcpusched[].priority).
                type: int
          shares:
            description:
              - The weight of the domain where CPUs are scarce, or V(default). From 2 to 262144 with cgroup v1, where
                1024 is the kernel's default, and from 1 to 10000 with cgroup v2, where it is 100.
              - Changes at once. V(default) comes with the next start, as libvirt has no call for it.
            type: str
          period:
            description:
              - Over how many microseconds O(wishes[].cputune.quota) is measured, from 1000 to 1000000, or V(default),
                which is 100000. Changes at once.
            type: str
          quota:
            description:
              - How many microseconds each vCPU may run in a period, from 1000 on, or V(default) for no limit. Changes
                at once.
            type: str
          emulator_period:
            description:
              - As O(wishes[].cputune.period), for O(wishes[].cputune.emulator_quota).
            type: str
          emulator_quota:
            description:
              - As O(wishes[].cputune.quota), for the threads of QEMU that are neither vCPUs nor iothreads.
            type: str
          iothread_period:
            description:
              - As O(wishes[].cputune.period), for O(wishes[].cputune.iothread_quota).
            type: str
          iothread_quota:
            description:
              - As O(wishes[].cputune.quota), for each iothread.
            type: str
          global_period:
            description:
              - As O(wishes[].cputune.period), for O(wishes[].cputune.global_quota).
            type: str
          global_quota:
            description:
              - As O(wishes[].cputune.quota), for all of QEMU together.
            type: str
      iothreads:
        description:
          - How many iothreads the domain has, V(0) for none. Threads come and go at once, the lowest free numbers first
            and the highest numbers first. With a thread goes its pin.
          - A thread that a disk or a SCSI controller uses stays. Take it from the disk in the same call, by
            O(wishes[].disks[].iothread).
        type: int
      numa:
        description:
          - Which NUMA nodes of the host the memory comes from, and which the guest sees.
        type: dict
        suboptions:
          memory:
            description:
              - Where the memory comes from.
            type: dict
            suboptions:
              mode:
                description:
                  - V(strict), libvirt's default, V(preferred) and V(interleave) are the kernel's policies.
                    V(restrictive) leaves it to the cgroup alone, so that it can move while the domain runs. Comes with
                    the next start, and only with O(wishes[].numa.memory.nodeset).
                type: str
                choices: [strict, preferred, interleave, restrictive]
              nodeset:
                description:
                  - Nodes of the host, such as V(0) or V(0-1), or V(default), which takes the mode away as well. Changes
                    at once where the domain runs with the mode V(restrictive).
                type: str
          cells:
            description:
              - All nodes that the guest is to see. An empty list takes them away. Comes with the next start.
              - Each vCPU has to be in one of them, and together they have as much memory as the domain.
            type: list
            elements: dict
            suboptions:
              cpus:
                description:
                  - vCPUs of the node, such as V(0-3).
                type: str
                required: true
              memory:
                description:
                  - Its memory.
                type: str
                required: true
      cpu:
        description:
          - What CPUs the guest sees. All of it comes with the next start.
        type: dict
        suboptions:
          mode:
            description:
              - V(host-passthrough) is the host's own CPU, fastest, and only migrates between equal hosts. V(host-model)
                is the nearest model that libvirt knows. V(maximum) has all that QEMU can provide. V(custom) is the
                model of O(wishes[].cpu.model).
              - libvirt writes a model into definitions that have none (V(qemu64), mostly). To go back, name that.
            type: str
            choices: [host-passthrough, host-model, maximum, custom]
          model:
            description:
              - A model that C(virsh cpu-models) lists. Required with O(wishes[].cpu.mode=custom), and only possible
                then.
            type: str
          topology:
            description:
              - How the vCPUs are arranged. What is left out is 1, and the product has to be the number of vCPUs. An
                empty dictionary takes the topology away, so that each vCPU is a socket.
            type: dict
            suboptions:
              sockets:
                description:
                  - Sockets.
                type: int
              dies:
                description:
                  - Dies of each socket.
                type: int
              cores:
                description:
                  - Cores of each die.
                type: int
              threads:
                description:
                  - Threads of each core. Pin those of one core to the threads of one core of the host.
                type: int
          cache:
            description:
              - What caches the guest sees. V(passthrough) shows the host's, and needs the mode V(host-passthrough) or
                V(maximum); V(emulate) shows one of level 3.
            type: str
            choices: [default, passthrough, emulate, disable]
          features:
            description:
              - Features beyond, or less than, those of the mode. Features that are not named stay as they are.
              - While a domain runs libvirt shows what QEMU made of them. Whether V(optional) and V(default) wait for a
                restart cannot be told from that.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - Name of the feature, such as V(pcid). One that libvirt does not know is refused, as the domain would
                    not start.
                type: str
                required: true
              policy:
                description:
                  - What becomes of it. V(default) leaves it to the mode.
                type: str
                choices: [default, force, require, optional, disable, forbid]
                required: true
      memory_backing:
        description:
          - How the host provides the memory of the domain. All but O(wishes[].memory_backing.hard_limit) comes with the
            next start.
        type: dict
        suboptions:
          locked:
            description:
              - Whether the host must not swap the memory out. Without O(wishes[].memory_backing.hard_limit) QEMU may
                then lock as much as it likes, at the expense of the host.
            type: bool
          hard_limit:
            description:
              - The most memory that QEMU may use, the guest's and its own. It is a limit for the cgroup, beyond which
                the kernel kills QEMU, and for the memory that QEMU may lock.
              - V(auto) is the guest's memory with room for what QEMU needs besides, generously reckoned from the
                definition; the result says how. V(none) takes the limit away.
            type: str
          hugepages:
            description:
              - Huge pages for the memory. They must be there before the domain starts.
            type: dict
            suboptions:
              size:
                description:
                  - Size of a page, such as V(2M) or V(1G), V(default) for that of the host, or V(none).
                type: str
                required: true
          source:
            description:
              - Where the memory comes from. V(memfd) with huge pages needs no mounted hugetlbfs.
            type: str
            choices: [default, anonymous, file, memfd]
          access:
            description:
              - Whether other processes may share the memory, which vhost-user and virtiofs need.
            type: str
            choices: [default, shared, private]
          allocation:
            description:
              - V(immediate) takes all memory when the domain starts, V(ondemand) when the guest first uses it.
            type: str
            choices: [default, immediate, ondemand]
          nosharepages:
            description:
              - Whether the host must not merge equal pages of this guest with those of others (KSM).
            type: bool
          discard:
            description:
              - Whether QEMU drops the content of a memory file when the domain ends, instead of writing it out.
            type: bool
      balloon:
        description:
          - The device by which the host takes memory back from the guest. Locked memory and huge pages cannot be given
            back.
          - To take it out avoids waiting for reclaimed memory, for databases and realtime guests. Of idle guests the
            host may then have to swap out memory that the balloon would have given back.
        type: dict
        suboptions:
          model:
            description:
              - V(virtio) is what libvirt adds where nothing is said. V(none) takes the device out, with all that the
                definition says of it. Comes with the next start.
            type: str
            choices: [virtio, none]
          autodeflate:
            description:
              - Whether the balloon gives memory back to a guest that would otherwise kill processes. Comes with the
                next start.
            type: str
            choices: [default, 'on', 'off']
          free_page_reporting:
            description:
              - Whether the guest tells the host of its free pages, which the host then takes back. Comes with the next
                start.
            type: str
            choices: [default, 'on', 'off']
          stats_period:
            description:
              - How many seconds pass between two statistics of the guest's memory, or V(none). Changes at once.
            type: str
      disks:
        description:
          - How QEMU reads and writes what is behind the disks. All of it comes with the next start of the domain, not
            with a reboot inside the guest.
          - A later entry may change what an earlier one says of the same disk.
        type: list
        elements: dict
        suboptions:
          match:
            description:
              - Which disks are meant, those that fit all that is given. Drives for CD-ROMs and floppies are only meant
                where they are named by target, source or alias.
            type: dict
            required: true
            suboptions:
              target:
                description:
                  - The name by which libvirt knows the disk, such as V(vda).
                type: str
              source:
                description:
                  - Its file or device, as the definition has it.
                type: str
              alias:
                description:
                  - An alias that was given by the user (C(ua-…)).
                type: str
              bus:
                description:
                  - Its bus, such as V(virtio), V(scsi) or V(sata).
                type: str
              all:
                description:
                  - All disks, if V(true).
                type: bool
          cache:
            description:
              - How writes of the guest get to the storage. In every mode but V(unsafe) what the guest has flushed
                survives a crash of the host, V(default) included; what it has not flushed may be lost in all of them
                but V(writethrough) and V(directsync).
              - V(writeback), QEMU's default, reports a write as done when it is in the page cache of the host.
              - V(none) goes past the page cache (O_DIRECT), and reports a write as done when the storage has it in its
                own cache. It saves the memory of a second cache, makes latency steadier, and lets guests on shared
                storage migrate. It does not make data more durable.
              - V(writethrough) and V(directsync) flush every write, with and without the page cache. They are for
                guests that never flush by themselves, and slow.
              - V(unsafe) ignores flushes. A crash of the host leaves the disk corrupt. For what can be made anew.
              - With other modes than V(none) and V(directsync) live migration may be refused as unsafe.
            type: str
            choices: [default, none, writeback, writethrough, directsync, unsafe]
          io:
            description:
              - V(native) needs O_DIRECT, so cache V(none) or V(directsync). It suits block devices and preallocated
                files; on sparse files it can block. V(io_uring) needs a recent QEMU and kernel.
            type: str
            choices: [default, threads, native, io_uring]
          discard:
            description:
              - V(unmap) gives what the guest trims back to the storage, so that thin images stay thin.
            type: str
            choices: [default, ignore, unmap]
          detect_zeroes:
            description:
              - V(on) looks for zeros in what is written, which costs CPU time, and V(unmap) trims there, with
                O(wishes[].disks[].discard=unmap) only.
            type: str
            choices: [default, 'off', 'on', unmap]
          error_policy:
            description:
              - What happens to the guest when the storage fails or is full.
            type: str
            choices: [default, stop, report, ignore, enospace]
          iothread:
            description:
              - The number of an iothread of the domain that serves the disk, or V(none).
            type: str
          queues:
            description:
              - How many queues a virtio disk has, or V(default).
            type: str
      interfaces:
        description:
          - How network interfaces are served. All of it comes with the next start, and is for the model virtio only.
          - A later entry may change what an earlier one says of the same interface.
        type: list
        elements: dict
        suboptions:
          match:
            description:
              - Which interfaces are meant, those that fit all that is given.
            type: dict
            required: true
            suboptions:
              mac:
                description:
                  - Its address.
                type: str
              target:
                description:
                  - The name of its device on the host, where it was given by the user.
                type: str
              alias:
                description:
                  - An alias that was given by the user (C(ua-…)).
                type: str
              model:
                description:
                  - Its model, such as V(virtio).
                type: str
              all:
                description:
                  - All interfaces, if V(true).
                type: bool
          driver:
            description:
              - V(vhost) lets the kernel move the packets, V(qemu) lets QEMU do so. libvirt takes vhost where the host
                has it.
            type: str
            choices: [default, vhost, qemu]
          queues:
            description:
              - How many queues it has, up to 256, or V(default) for one. More than vCPUs are of no use.
            type: str
      clock:
        description:
          - The guest's clock. All of it comes with the next start.
        type: dict
        suboptions:
          timers:
            description:
              - Timers of the guest. Those that are not named stay as they are.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - Which timer. V(kvmclock) is for Linux and V(hypervclock) for Windows.
                type: str
                choices: [rtc, pit, hpet, kvmclock, tsc, hypervclock]
                required: true
              present:
                description:
                  - Whether the guest has it.
                type: str
                choices: [default, 'yes', 'no']
              tickpolicy:
                description:
                  - What happens to ticks that the guest missed. They are delayed, caught up with, merged or dropped;
                    QEMU knows not all of these for each timer, and libvirt refuses the others.
                type: str
                choices: [default, delay, catchup, merge, discard]
"""
