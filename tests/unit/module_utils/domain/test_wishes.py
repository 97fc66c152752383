# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which domains are meant, which wish counts, and wishes that make no sense."""

from __future__ import annotations

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.document import Document
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.model import shown
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.wishes import (
    is_meant,
    refuse_other_hypervisors,
    refuse_unknown,
    refuse_unmatched,
    wished_knobs,
)

from .sample import UUID, found, wishes, xml

DOMAINS = {"db-1": UUID, "web[1]": "6695eb01-f6a4-8304-79aa-97f2502e193f"}


def wished(text: str, definition: str = "") -> dict[str, object]:
    knobs = wished_knobs(wishes(text), "db-1", UUID, Document.parse(definition or xml()))
    return {knob: shown(wish.value) for knob, wish in knobs.items()}


@pytest.mark.parametrize("selector", ["db-1", "db-*", "d?-[0-9]", "*", UUID, UUID.upper()])
def test_a_domain_is_meant(selector: str) -> None:
    assert is_meant(["web-1", selector], "db-1", UUID)


@pytest.mark.parametrize("selector", ["db", "DB-1", "db-1 ", "", UUID[:8], "web*", "<db-1>"])
def test_a_domain_is_not_meant(selector: str) -> None:
    assert not is_meant([selector], "db-1", UUID)


def test_a_name_that_looks_like_a_pattern_is_a_name() -> None:
    assert is_meant(["web[1]"], "web[1]", "")


@pytest.mark.parametrize("selector", ["db-2", "</name><x/>", "", "nothing-*"])
def test_what_fits_no_domain_is_refused(selector: str) -> None:
    with pytest.raises(BadRequestError, match=r"this hypervisor has: db-1, web\[1\]"):
        refuse_unknown(["db-1", selector], DOMAINS, allow_empty=False)


def test_a_pattern_may_fit_none_if_that_is_allowed_and_a_name_may_not() -> None:
    refuse_unknown(["web-*"], DOMAINS, allow_empty=True)
    with pytest.raises(BadRequestError, match="there is no domain 'web-1'"):
        refuse_unknown(["web-1"], DOMAINS, allow_empty=True)


def test_guests_of_another_hypervisor_are_left_alone() -> None:
    refuse_other_hypervisors(found(xml()))
    with pytest.raises(BadRequestError, match="db-1 is of the type lxc"):
        refuse_other_hypervisors(found("<domain type='lxc'><name>db-1</name></domain>"))


def test_later_wishes_win_knob_by_knob() -> None:
    assert wished(
        """
        - domains: ["*"]
          cputune: {vcpupin: [{vcpu: all, cpuset: "0"}], emulatorpin: "1"}
          memory_backing: {locked: true}
        - domains: [db-1]
          cputune: {vcpupin: [{vcpu: "1", cpuset: unpinned}]}
        - domains: [web-1]
          memory_backing: {locked: false}
        """
    ) == {
        "cputune.vcpupin.0": "0",
        "cputune.vcpupin.1": "unpinned",
        "cputune.emulatorpin": "1",
        "memory_backing.locked": True,
    }


@pytest.mark.parametrize("each", ["[4, 5]", "['4', 5]", "4-5", "'4,5'", "[4-5]"])
def test_a_list_of_cpus_one_to_one(each: str) -> None:
    pins = wished(f"[{{domains: [db-1], cputune: {{vcpupin_each: {each}}}}}]")
    assert pins == {"cputune.vcpupin.0": "4", "cputune.vcpupin.1": "5"}


def test_disks_by_what_they_are_matched() -> None:
    entries = {
        "{target: sda}": ["sda"],
        "{bus: virtio}": ["vda", "vdb"],
        "{all: true}": ["vda", "vdb"],
        "{source: /dev/vg0/db-1}": ["vdb"],
        "{bus: scsi}": [],
        "{alias: ua-data}": ["vdb"],
        "{bus: virtio, source: /var/lib/libvirt/images/db-1.qcow2}": ["vda"],
    }
    target = '<target dev="vdb" bus="virtio"/>'
    named = xml().replace(target, f'{target}<alias name="ua-data"/>')
    for match, disks in entries.items():
        knobs = wished(f"[{{domains: [db-1], disks: [{{match: {match}, cache: none}}]}}]", named)
        assert list(knobs) == [f"disks.{disk}.cache" for disk in disks]


def test_interfaces_by_what_they_are_matched() -> None:
    text = xml("interfaces").replace('<target dev="db-1-lan"/>', '<target dev="db-1-lan"/><alias name="ua-lan"/>')
    document = Document.parse(text)
    lan, user = "52:54:00:6b:3c:58", "52:54:00:00:00:02"
    entries = {
        "{mac: '52:54:00:6B:3C:58'}": [lan],
        "{mac: '52:54:00:00:00:99'}": ["52:54:00:00:00:99"],
        "{target: db-1-lan}": [lan],
        "{model: e1000e}": [user],
        "{all: true}": [lan, user],
        "{model: virtio, target: vnet7}": [],
        "{alias: ua-lan}": [lan],
    }
    for match, macs in entries.items():
        asked = wishes(f"[{{domains: [db-1], interfaces: [{{match: {match}, driver: qemu}}]}}]")
        assert list(wished_knobs(asked, "db-1", UUID, document)) == [f"interfaces.{mac}.driver" for mac in macs]


@pytest.mark.parametrize(
    "asked", ["disks: [{match: {bus: scsi}, cache: none}]", "interfaces: [{match: {all: true}, driver: qemu}]"]
)
def test_a_match_that_fits_nothing_anywhere_is_refused(asked: str) -> None:
    checked = wishes(f"[{{domains: ['*'], {asked}}}]")
    with pytest.raises(BadRequestError, match=r"wishes\[0\].*match is .* and none of the .* of db-1 is like that"):
        refuse_unmatched(checked, [found(xml())])
    # What is for no domain at all has been told before.
    refuse_unmatched(checked, [])
    scsi = found(xml("interfaces").replace('dev="vdb" bus="virtio"', 'dev="vdb" bus="scsi"'))
    refuse_unmatched(checked, [found(xml()), scsi])


def test_hard_limit_auto_is_explained() -> None:
    asked = wishes("[{domains: [db-1], memory_backing: {hard_limit: auto}}]")
    wish = wished_knobs(asked, "db-1", UUID, Document.parse(xml()))["memory_backing.hard_limit"]
    assert isinstance(wish.value, int) and wish.value > 2 * 1024**3 and wish.value % 1024**2 == 0
    assert wish.reason.startswith("auto: 1 GiB of memory")


SENSELESS = [
    ("cputune: {emulatorpin: 3-1}", r"wishes\[0\]\.cputune\.emulatorpin is '3-1', and 3-1 runs backwards"),
    ("cputune: {emulatorpin: ''}", "is no set of CPUs"),
    ("cputune: {emulatorpin: default}", "is no set of CPUs"),
    ("cputune: {vcpupin: [{vcpu: '0', cpuset: 0-99999}]}", r"vcpupin\[0\]\.cpuset .* up to 16383"),
    ("cputune: {vcpupin: [{vcpu: '-1', cpuset: '0'}]}", r"vcpupin\[0\]\.vcpu is '-1'"),
    ("cputune: {vcpupin: [{vcpu: '0', cpuset: '0'}, {vcpu: 0-1, cpuset: '1'}]}", "names vCPU 0 twice"),
    ("cputune: {vcpupin: [], vcpupin_each: [0, 1]}", "mutually exclusive"),
    ("cputune: {vcpupin_each: 2-5}", r"wishes\[0\]\.cputune\.vcpupin_each names 4 CPUs, and db-1 has 2 vCPUs"),
    ("cputune: {vcpupin_each: ['1-0']}", "1-0 runs backwards"),
    ("cputune: {vcpupin_each: [0]}", "names 1 CPUs, and db-1 has 2 vCPUs"),
    ("cputune: {vcpupin_each: [0, 0]}", "names CPU 0 twice"),
    ("cputune: {vcpupin_each: [0, -1]}", "is no set of CPUs"),
    ("cputune: {iothreadpin: [{iothread: all, cpuset: '1'}, {iothread: '2', cpuset: '0'}]}", "iothread 2 twice"),
    ("cputune: {vcpusched: [{vcpus: '0', scheduler: fifo}]}", "all of the following are missing: priority"),
    ("cputune: {vcpusched: [{vcpus: '0', scheduler: rr, priority: 100}]}", "priority is 100"),
    ("cputune: {emulatorsched: {scheduler: batch, priority: 1}}", "batch knows none"),
    ("cputune: {vcpusched: [{vcpus: all, scheduler: idle}, {vcpus: '1', scheduler: batch}]}", "names vCPU 1 twice"),
    ("cputune: {quota: '999'}", "whole number from 1000 to 17592186044415, or default"),
    ("cputune: {emulator_quota: '17592186044416'}", "whole number from 1000"),
    ("cputune: {period: '1000001'}", "whole number from 1000 to 1000000, or default"),
    ("cputune: {shares: '0'}", "whole number from 1 to 262144, or default"),
    ("iothreads: -1", "whole number from 0 to 1024"),
    ("iothreads: many", "unable to convert to int"),
    ("numa: {memory: {nodeset: 1-0}}", "1-0 runs backwards"),
    ("numa: {memory: {mode: loose}}", "must be one of"),
    ("numa: {cells: [{cpus: 0-1, memory: 1G}, {cpus: '1', memory: 1G}]}", "names vCPU 1 twice"),
    ("numa: {cells: [{cpus: '0', memory: '1000'}]}", "multiple of 1K"),
    ("numa: {cells: [{cpus: '0'}]}", "missing required arguments: memory"),
    ("cpu: {mode: custom}", "all of the following are missing: model"),
    ("cpu: {model: qemu64}", "missing parameter.* required by 'model'"),
    ("cpu: {mode: host-model, model: qemu64}", "host-model has none"),
    ("cpu: {mode: custom, model: <model/>}", "is no name"),
    ("cpu: {topology: {cores: 0}}", r"cpu\.topology\.cores is 0"),
    ("cpu: {features: [{name: vmx, policy: perhaps}]}", "must be one of"),
    ("cpu: {features: [{name: '', policy: require}]}", "is no name"),
    ("cpu: {features: [{name: a, policy: require}, {name: a, policy: disable}]}", "names feature a twice"),
    ("interfaces: [{match: {all: true}}]", "has a match and nothing else"),
    ("interfaces: [{match: {all: true}, queues: '257'}]", "whole number from 1 to 256, or default"),
    ("interfaces: [{match: {mac: a}, queues: '1'}, {match: {mac: a}, driver: qemu}]", "one entry for each match"),
    ("clock: {timers: [{name: rtc}]}", "says nothing of the timer"),
    ("clock: {timers: [{name: rtc, present: 'no'}, {name: rtc, present: 'yes'}]}", "names timer rtc twice"),
    ("clock: {timers: [{name: sundial, present: 'no'}]}", "must be one of"),
    ("memory_backing: {hard_limit: -1G}", "is not a size"),
    ("memory_backing: {hard_limit: '0'}", "which no host has"),
    ("memory_backing: {hard_limit: 99999999999G}", "which no host has"),
    ("memory_backing: {hugepages: {size: huge}}", "is not a size"),
    ("memory_backing: {hugepages: {}}", "missing required arguments: size"),
    ("memory_backing: {source: <file/>}", "must be one of"),
    ("balloon: {stats_period: '-1'}", "whole number from 1 to 86400, or none"),
    ("disks: [{match: {target: vda}, cache: writefast}]", "must be one of"),
    ("disks: [{match: {target: vda}}]", "has a match and nothing else"),
    ("disks: [{match: {}, cache: none}]", "one of the following is required"),
    ("disks: [{match: {all: false}, cache: none}]", "matches nothing"),
    ("disks: [{match: {target: vda}, cache: none}, {match: {target: vda}, io: native}]", "one entry for each match"),
    ("disks: [{match: {target: vda}, iothread: '0'}]", "whole number from 1"),
    ("disks: [{match: {target: vda}, queues: many}]", "whole number from 1"),
]


@pytest.mark.parametrize(("text", "told"), SENSELESS, ids=[text for text, dummy in SENSELESS])
def test_what_makes_no_sense(text: str, told: str) -> None:
    with pytest.raises(BadRequestError, match=told):
        wished(f"[{{domains: [db-1], {text}}}]")
