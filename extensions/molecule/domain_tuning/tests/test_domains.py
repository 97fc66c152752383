# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the domains are as the inventory wishes, by what virsh, the kernel and QEMU's command line say."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path
from xml.etree import ElementTree

import pytest
import testinfra
import testinfra.host

VARIABLES: dict[str, str] = json.loads(
    (Path(__file__).resolve().parents[4] / ".run" / "hypervisor" / "variables.json").read_text()
)

Host = testinfra.host.Host


@pytest.fixture(scope="module")
def machine() -> Host:
    return testinfra.get_host("local://")


@pytest.fixture(scope="module")
def report() -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(Path(VARIABLES["hypervisor_scratch"], "report.json").read_text()))


def virsh(machine: Host, *arguments: str) -> str:
    return machine.check_output(
        "virsh --connect %s " + " ".join(["%s"] * len(arguments)), VARIABLES["hypervisor_uri"], *arguments
    )


def definition(machine: Host, name: str) -> ElementTree.Element:
    return ElementTree.fromstring(virsh(machine, "dumpxml", "--inactive", name))


@pytest.mark.parametrize(("name", "cache"), [("db-1", "none"), ("db-2", "writeback")])
def test_definitions_are_as_groups_and_the_host_wish(machine: Host, name: str, cache: str) -> None:
    domain = definition(machine, name)
    pins = {pin.get("vcpu"): pin.get("cpuset") for pin in domain.iterfind("cputune/vcpupin")}
    assert pins == {"0": "0", "1": "0"}
    assert domain.find("memoryBacking/nosharepages") is not None
    assert [balloon.get("model") for balloon in domain.iterfind("devices/memballoon")] == ["none"]
    (driver,) = domain.iterfind("devices/disk/driver")
    assert (driver.get("cache"), driver.get("detect_zeroes")) == (cache, "off")


def process_of(machine: Host, name: str) -> t.Any:
    """Its QEMU."""
    uuid = virsh(machine, "domuuid", name).strip()
    (found,) = [process for process in machine.process.filter(comm="qemu-system-x86") if uuid in process.args]
    return found


def test_what_runs_was_pinned_at_once(machine: Host) -> None:
    process = process_of(machine, "db-1")
    threads = {
        machine.file(f"/proc/{process.pid}/task/{tid}/comm").content_string.strip(): tid
        for tid in machine.file(f"/proc/{process.pid}/task").listdir()
    }
    for vcpu in ("CPU 0/TCG", "CPU 1/TCG"):
        status = machine.file(f"/proc/{process.pid}/task/{threads[vcpu]}/status").content_string
        assert "Cpus_allowed_list:\t0\n" in status


def test_the_rest_waits_for_a_restart(report: dict[str, t.Any]) -> None:
    domains = report["audit"]
    waiting = {
        row["knob"]: [drift["name"] for drift in row["drift"]] for row in domains["db-1"]["knobs"] if row["drift"]
    }
    assert waiting == {
        knob: ["pending_restart"]
        for knob in ("memory_backing.nosharepages", "balloon.model", "disks.vda.cache", "disks.vda.detect_zeroes")
    }
    # That is what the host wishes of it.
    (told,) = domains["db-2"]["drift"]
    assert told.startswith("disks.vda.cache: hurts: ")
    assert not report["tuned"]["changed"], "the second run has changed something"


def test_it_is_there_after_a_restart(machine: Host) -> None:
    virsh(machine, "destroy", "db-1")
    virsh(machine, "start", "db-1")
    process = process_of(machine, "db-1")
    assert '"cache":{"direct":true' in process.args
    assert "mem-merge=off" in process.args
    assert "virtio-balloon" not in process.args


def test_backups_are_for_root_alone(machine: Host) -> None:
    backups = machine.file(f"{VARIABLES['hypervisor_scratch']}/backups")
    kept = [machine.file(str(path)) for path in Path(backups.path).glob("*/*")]
    assert len(kept) >= 4
    assert {file.mode for file in kept} == {0o600}
