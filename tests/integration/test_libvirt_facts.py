# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What domain_tune counts on in libvirt, seen without it.

Where one of these fails with another version of libvirt, something here has a reason no more, or is not enough.
"""

from __future__ import annotations

import os
import re
import typing as t
from xml.etree import ElementTree

import libvirt
import pytest

from .hypervisor import Hypervisor, affinities

INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE
SECURE = libvirt.VIR_DOMAIN_XML_SECURE
LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
CPUS = sorted(os.sched_getaffinity(0))

needs_two_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="pins can only be seen on a machine with two CPUs or more")

DRIVER = "<driver name='qemu' type='raw'/>"


def definition(domain: t.Any) -> ElementTree.Element:
    return ElementTree.fromstring(domain.XMLDesc(INACTIVE))


def edited(kvm: Hypervisor, *replacements: tuple[str, str], more: str = "", vcpus: int = 2) -> str:
    """The definition of db-1 with other text in it."""
    text = kvm.xml("db-1", more=more, vcpus=vcpus)
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text


# What is accepted, and cannot start: the reason for the preflight.

NEVER_STARTS = {
    "a CPU that there is not": ("<cputune><vcpupin vcpu='0' cpuset='900'/></cputune>", ""),
    "a node that there is not": ("<numatune><memory mode='strict' nodeset='50'/></numatune>", ""),
    "pages of a size that there is not": (
        "<memoryBacking><hugepages><page size='16' unit='MiB'/></hugepages></memoryBacking>",
        "",
    ),
    "a feature that nobody knows": ("<cpu mode='custom'><model>qemu64</model><feature name='unheard-of'/></cpu>", ""),
}


@pytest.mark.parametrize("more", [pytest.param(more, id=name) for name, (more, dummy) in NEVER_STARTS.items()])
def test_it_is_defined_and_does_not_start(kvm: Hypervisor, more: str) -> None:
    domain = kvm.define("db-1", more=more)
    with pytest.raises(libvirt.libvirtError):
        domain.create()
    assert not domain.isActive()


def test_more_huge_pages_than_are_free_are_defined_and_do_not_start(kvm: Hypervisor) -> None:
    # Of the host's default size, so that it is the number that is wrong; and no machine has 8 TiB of them.
    domain = kvm.define("db-1", more="<memoryBacking><hugepages/></memoryBacking>", memory=2**23)
    with pytest.raises(libvirt.libvirtError):
        domain.create()


def test_a_limit_below_the_guest_s_memory_is_defined(kvm: Hypervisor) -> None:
    domain = kvm.define("db-1", more="<memtune><hard_limit unit='MiB'>8</hard_limit></memtune>")
    assert definition(domain).findtext("memtune/hard_limit") == "8192"


# What is dropped without a word: the reason for reading back and for VALIDATE.


def test_a_pin_of_a_vcpu_that_does_not_exist_is_dropped(kvm: Hypervisor) -> None:
    pins = "".join(f"<vcpupin vcpu='{vcpu}' cpuset='0'/>" for vcpu in (0, 7))
    domain = kvm.define("db-1", more=f"<cputune>{pins}</cputune>")
    assert [pin.get("vcpu") for pin in definition(domain).iterfind("cputune/vcpupin")] == ["0"]


def test_elements_that_it_does_not_know_are_dropped_unless_it_validates(kvm: Hypervisor) -> None:
    text = edited(kvm, ("<devices>", "<unheard-of/><devices>"))
    assert definition(kvm.connection.defineXML(text)).find("unheard-of") is None
    with pytest.raises(libvirt.libvirtError):
        kvm.connection.defineXMLFlags(text, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)


# What is rejected.

REJECTED = {
    "native io with the page cache": ((DRIVER, "<driver name='qemu' type='raw' io='native'/>"), "", 2),
    "an iothread that is not defined": ((DRIVER, "<driver name='qemu' type='raw' iothread='5'/>"), "", 2),
    "two pins of one vCPU": (None, "<cputune>" + "<vcpupin vcpu='0' cpuset='0'/>" * 2 + "</cputune>", 2),
    "a topology of other vCPUs": (None, "<cpu><topology sockets='1' cores='3' threads='1'/></cpu>", 2),
    "huge pages for a node that the guest lacks": (
        None,
        "<memoryBacking><hugepages><page size='2' unit='MiB' nodeset='3'/></hugepages></memoryBacking>",
        2,
    ),
}


@pytest.mark.parametrize(
    ("replacement", "more", "vcpus"), [pytest.param(*case, id=name) for name, case in REJECTED.items()]
)
def test_it_is_not_defined(kvm: Hypervisor, replacement: tuple[str, str] | None, more: str, vcpus: int) -> None:
    text = edited(kvm, *([replacement] if replacement else []), more=more, vcpus=vcpus)
    with pytest.raises(libvirt.libvirtError):
        kvm.connection.defineXML(text)
    assert kvm.connection.listAllDomains() == []


@pytest.mark.parametrize("cache", ["none", "directsync"])
def test_native_io_goes_with_modes_without_the_page_cache(kvm: Hypervisor, cache: str) -> None:
    kvm.connection.defineXML(edited(kvm, (DRIVER, f"<driver name='qemu' type='raw' cache='{cache}' io='native'/>")))


# What it makes of what it is told: the reason for comparing values, and never text.


def test_units_cpus_and_order_are_its_own(kvm: Hypervisor) -> None:
    tuning = (
        "<emulatorpin cpuset='0,1,2'/><vcpusched vcpus='0-1' scheduler='batch'/>"
        "<vcpupin vcpu='1' cpuset='0-3,^2'/><vcpupin vcpu='0' cpuset='1'/><shares>1024</shares>"
    )
    domain = definition(kvm.define("db-1", more=f"<cputune>{tuning}</cputune>"))
    memory = domain.find("memory")
    assert memory is not None and (memory.get("unit"), memory.text) == ("KiB", "32768")
    children = [(child.tag, *child.attrib.values()) for child in domain.iterfind("cputune/*")]
    assert children == [
        ("shares",),
        ("vcpupin", "0", "1"),
        ("vcpupin", "1", "0-1,3"),
        ("emulatorpin", "0-2"),
        ("vcpusched", "0", "batch"),
        ("vcpusched", "1", "batch"),
    ]


def test_what_nobody_asked_for_is_added(kvm: Hypervisor) -> None:
    cpu = "<cpu mode='host-model'><topology sockets='1' cores='2' threads='1'/></cpu>"
    domain = definition(kvm.define("db-1", more=cpu))
    (topology,) = domain.iterfind("cpu/topology")
    assert topology.get("dies") == "1"
    (machine,) = domain.iterfind("os/type")
    assert re.fullmatch(r"pc-q35-[0-9.]+", machine.get("machine", ""))
    assert domain.find("devices/disk/address") is not None and domain.find("devices/controller") is not None


def test_a_balloon_that_is_removed_comes_back(kvm: Hypervisor) -> None:
    domain = kvm.define("db-1")
    text = domain.XMLDesc(INACTIVE | SECURE)
    without = re.sub(r"<memballoon.*?</memballoon>", "", text, flags=re.DOTALL)
    assert without != text and "memballoon" not in without
    assert 'memballoon model="virtio"' in kvm.connection.defineXML(without).XMLDesc(INACTIVE).replace("'", '"')
    none = without.replace("</devices>", "<memballoon model='none'/></devices>")
    (balloon,) = definition(kvm.connection.defineXML(none)).iterfind("devices/memballoon")
    assert balloon.get("model") == "none"


# What redefining loses.


def test_a_password_is_lost_by_what_is_read_without_secure(kvm: Hypervisor) -> None:
    domain = kvm.define("db-1")
    assert "s3cret12" in domain.XMLDesc(INACTIVE | SECURE) and "s3cret12" not in domain.XMLDesc(INACTIVE)
    kept = kvm.connection.defineXML(domain.XMLDesc(INACTIVE | SECURE))
    assert "s3cret12" in kept.XMLDesc(INACTIVE | SECURE)
    lost = kvm.connection.defineXML(domain.XMLDesc(INACTIVE))
    assert "s3cret12" not in lost.XMLDesc(INACTIVE | SECURE)


def test_metadata_are_kept_as_they_are_given_and_comments_elsewhere_are_not(kvm: Hypervisor) -> None:
    metadata = '<own:note xmlns:own="urn:own" own:k="1"><!-- theirs --><own:text>as it is</own:text></own:note>'
    text = edited(kvm, ("<vcpu>", "<!-- ours --><vcpu>"))
    text = re.sub(r"<metadata>.*</metadata>", f"<metadata>{metadata}</metadata>", text)
    read = kvm.connection.defineXML(text).XMLDesc(INACTIVE)
    assert "ours" not in read
    assert re.sub(r">\s+<", "><", metadata) in re.sub(r">\s+<", "><", read)


def test_defining_a_transient_domain_makes_it_persistent(kvm: Hypervisor) -> None:
    domain = kvm.connection.createXML(kvm.xml("db-1"))
    assert not domain.isPersistent()
    kvm.connection.defineXML(domain.XMLDesc(INACTIVE | SECURE))
    assert domain.isPersistent()


# What can change while a domain runs.


@needs_two_cpus
def test_pins_of_the_running_domain_and_of_the_definition_are_two(kvm: Hypervisor) -> None:
    domain = kvm.define("db-1")
    domain.create()
    count = kvm.connection.getInfo()[2]
    first, last = (tuple(cpu == chosen for cpu in range(count)) for chosen in (CPUS[0], CPUS[-1]))
    domain.pinVcpuFlags(0, first, LIVE)
    assert definition(domain).find("cputune/vcpupin") is None
    assert affinities(domain)["CPU 0/TCG"] == str(CPUS[0])
    domain.pinVcpuFlags(0, last, CONFIG)
    assert affinities(domain)["CPU 0/TCG"] == str(CPUS[0])
    (pin,) = definition(domain).iterfind("cputune/vcpupin")
    assert pin.get("cpuset") == str(CPUS[-1])


@needs_two_cpus
def test_no_call_removes_a_pin(kvm: Hypervisor) -> None:
    """Also with a mask of all CPUs it is still there, and would keep the domain from a host with more of them."""
    domain = kvm.define("db-1", more="<cputune><vcpupin vcpu='0' cpuset='0'/></cputune>")
    domain.pinVcpuFlags(0, (True,) * kvm.connection.getInfo()[2], CONFIG)
    assert len(definition(domain).findall("cputune/vcpupin")) == 1
    without = re.sub(r"<cputune>.*?</cputune>", "", domain.XMLDesc(INACTIVE | SECURE), flags=re.DOTALL)
    assert definition(kvm.connection.defineXML(without)).find("cputune") is None


@pytest.mark.parametrize("option", ["cache='none'", "io='threads'", "discard='unmap'", "iothread='1'"])
def test_a_disk_takes_no_other_value_while_it_is_used(kvm: Hypervisor, option: str) -> None:
    domain = kvm.define("db-1")
    domain.create()
    (disk,) = re.findall(r"<disk .*?</disk>", domain.XMLDesc(SECURE), flags=re.DOTALL)
    # What is left out counts as unchanged.
    domain.updateDeviceFlags(disk, LIVE)
    other = re.sub(r"<driver [^/]*/>", f"<driver name='qemu' type='raw' {option}/>", disk)
    assert other != disk
    with pytest.raises(libvirt.libvirtError):
        domain.updateDeviceFlags(other, LIVE)


def test_another_number_of_queues_is_taken_and_nothing_happens(kvm: Hypervisor) -> None:
    """Neither refused nor done: what a call returns is no proof."""
    domain = kvm.define("db-1")
    domain.create()
    (disk,) = re.findall(r"<disk .*?</disk>", domain.XMLDesc(SECURE), flags=re.DOTALL)
    domain.updateDeviceFlags(re.sub(r"<driver ", "<driver queues='2' ", disk), LIVE)
    assert "queues" not in domain.XMLDesc()


@pytest.mark.parametrize(("mode", "movable"), [("strict", False), ("preferred", False), ("restrictive", True)])
def test_memory_moves_to_other_nodes_in_one_mode_alone(kvm: Hypervisor, mode: str, movable: bool) -> None:
    domain = kvm.define("db-1", more=f"<numatune><memory mode='{mode}' nodeset='0'/></numatune>")
    domain.create()
    if movable:
        domain.setNumaParameters({"numa_nodeset": "0"}, LIVE)
    else:
        with pytest.raises(libvirt.libvirtError, match="restrictive"):
            domain.setNumaParameters({"numa_nodeset": "0"}, LIVE)


def test_a_change_of_the_definition_waits_for_a_cold_start(kvm: Hypervisor) -> None:
    """A reset is what a guest's reboot is to QEMU: it goes on with the devices that it has."""
    domain = kvm.define("db-1")
    domain.create()
    text = domain.XMLDesc(INACTIVE | SECURE)
    kvm.connection.defineXML(text.replace('model="virtio"', 'model="none"').replace("model='virtio'", "model='none'"))

    def balloon() -> str | None:
        (found,) = ElementTree.fromstring(domain.XMLDesc()).iterfind("devices/memballoon")
        return found.get("model")

    assert balloon() == "virtio"
    domain.reset()
    assert balloon() == "virtio"
    domain.destroy()
    domain.create()
    assert balloon() == "none"
