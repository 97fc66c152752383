# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""domain_tune that restarts and undoes, on a real libvirtd with guests that heed the power button, or do not."""

from __future__ import annotations

import threading
import time
import typing as t
from pathlib import Path

import libvirt
import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.tuning import audited, restored, tuned

from .hypervisor import ACPI, HEEDS_POWER_BUTTON, Hypervisor, pid_of
from .plays import run_module

MODULE = "goldsmith.kvm.domain_tune"
INACTIVE = libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE
TUNING = "balloon: {model: none}\ndisks: [{match: {target: vda}, cache: none, io: native}]"


def tune(host: LocalHost, kvm: Hypervisor, tuning: str = TUNING, **options: t.Any) -> dict[str, t.Any]:
    return tuned(host, kvm.uri, ["db-1"], tuning, restart="if_needed", **options)


def statuses(result: dict[str, t.Any]) -> set[str]:
    return {knob["status"] for knob in result["domains"]["db-1"]["knobs"]}


def command_line(domain: t.Any) -> str:
    return Path(f"/proc/{pid_of(domain)}/cmdline").read_text()


def test_a_guest_shuts_down_and_comes_back_with_what_it_waited_for(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1", more=ACPI, disk=HEEDS_POWER_BUTTON)
    before = domain.XMLDesc(INACTIVE)
    domain.create()
    pid = pid_of(domain)
    announced = tune(host, kvm, check=True)
    assert (pid_of(domain), domain.XMLDesc(INACTIVE)) == (pid, before)
    done = tune(host, kvm)
    del done["domains"]["db-1"]["backup"]
    assert done == announced
    assert done["domains"]["db-1"]["restarted"] and statuses(done) == {"applied"}
    assert pid_of(domain) != pid
    assert '"direct":true' in command_line(domain) and "virtio-balloon" not in command_line(domain)
    again = tune(host, kvm)
    assert not again["changed"] and statuses(again) == {"already"}
    # And back: once more with a restart, which the guest heeds again.
    backups = f"{host.tmpdir}/backups"
    assert not audited(host, kvm.uri, backup_dir=backups)["db-1"]["restart_required"]
    undone = restored(host, kvm.uri, ["db-1"], restart="if_needed")
    assert undone["domains"]["db-1"]["restarted"] and statuses(undone) == {"applied"}
    assert '"direct":true' not in command_line(domain) and "virtio-balloon" in command_line(domain)
    assert not restored(host, kvm.uri, ["db-1"], restart="if_needed")["changed"]
    drift = audited(host, kvm.uri, backup_dir=backups)["db-1"]["drift"]
    assert not [line for line in drift if "changed_by_hand" in line or "pending_restart" in line]


def test_further_knobs_come_with_the_restart_and_go_with_the_next(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1", more=ACPI, disk=HEEDS_POWER_BUTTON)
    before = domain.XMLDesc(INACTIVE)
    domain.create()
    tuning = """
    iothreads: 2
    cputune: {iothreadpin: [{iothread: '2', cpuset: '0'}], vcpusched: [{vcpus: '0', scheduler: batch}]}
    disks: [{match: {target: vda}, iothread: '1'}]
    cpu: {mode: custom, model: qemu64, features: [{name: x2apic, policy: disable}]}
    numa: {memory: {mode: strict, nodeset: '0'}}
    clock: {timers: [{name: hpet, present: 'no'}]}
    """
    announced = tune(host, kvm, tuning, check=True)
    done = tune(host, kvm, tuning)
    del done["domains"]["db-1"]["backup"]
    assert done == announced
    assert done["domains"]["db-1"]["restarted"] and "pending_restart" not in statuses(done)
    assert "-x2apic" in command_line(domain).replace("x2apic=off", "-x2apic") and "iothread1" in command_line(domain)
    assert domain.ioThreadInfo(libvirt.VIR_DOMAIN_AFFECT_LIVE)[1][1][0] is True
    again = tune(host, kvm, tuning)
    assert not again["changed"] and statuses(again) == {"already"}
    told = restored(host, kvm.uri, ["db-1"], restart="if_needed", check=True)
    undone = restored(host, kvm.uri, ["db-1"], restart="if_needed")
    del undone["domains"]["db-1"]["backup"]
    assert undone == told and undone["domains"]["db-1"]["restarted"]
    assert domain.XMLDesc(INACTIVE) == before and "iothread2" not in command_line(domain)
    assert not restored(host, kvm.uri, ["db-1"], restart="if_needed")["changed"]


def test_as_a_module(kvm: Hypervisor, tmp_path: Path) -> None:
    domain = kvm.define("db-1", more=ACPI, disk=HEEDS_POWER_BUTTON)
    domain.create()
    options = {"uri": kvm.uri, "backup_dir": str(tmp_path / "backups")}
    wishes = [{"domains": ["db-*"], "profile": "database", "memory_backing": {"nosharepages": False}}]
    done = run_module(MODULE, "--diff", **options, wishes=wishes, restart="if_needed")
    assert done["domains"]["db-1"]["restarted"], done
    assert done["diff"]["after"]["db-1"]["live"] == {"balloon.model": "none", "disks.vda.cache": "none"}
    assert "nosharepages" not in domain.XMLDesc(INACTIVE)
    assert run_module(MODULE, "--check", **options, state="restored", domains=["db-1"])["changed"]
    result = run_module(MODULE, **options, state="restored")
    assert result["failed"] and "state: restored needs domains" in result["msg"]


def test_a_guest_that_heeds_nothing_goes_on(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    domain.create()
    pid = pid_of(domain)
    began = time.monotonic()
    with pytest.raises(GoldsmithError, match="db-1 has not shut down within 2 seconds") as raised:
        tune(host, kvm, restart_timeout=2)
    assert 2 <= time.monotonic() - began < 60
    assert pid_of(domain) == pid and "cache='none'" in domain.XMLDesc(INACTIVE)
    result = raised.value.details["domains"]["db-1"]
    assert (result["state"], result["restarted"], result["restart_required"]) == ("running", False, True)
    assert statuses(raised.value.details) == {"pending_restart"}
    # The next run may be more patient, or the domain is ended by hand.
    domain.destroy()
    assert statuses(tune(host, kvm, restart_timeout=2)) == {"already"} and not domain.isActive()


def test_a_domain_that_is_saved_while_it_should_shut_down(kvm: Hypervisor, host: LocalHost) -> None:
    """It would start with what is saved, and not with what was asked."""
    domain = kvm.define("db-1")
    domain.create()
    timer = threading.Timer(2, domain.managedSave)
    timer.start()
    with pytest.raises(GoldsmithError, match="db-1 was saved by somebody else"):
        tune(host, kvm, restart_timeout=120)
    timer.join()
    assert not domain.isActive() and domain.hasManagedSaveImage()
    domain.managedSaveRemove()


def test_a_paused_domain_is_refused_and_not_touched(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    before = domain.XMLDesc(INACTIVE)
    for check in (True, False):
        with pytest.raises(GoldsmithError, match="db-1: the domain is paused"):
            tune(host, kvm, check=check)
    assert domain.XMLDesc(INACTIVE) == before
    assert tune(host, kvm, on_refused="warn")["domains"]["db-1"]["restart_required"]
    assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED


def test_a_transient_domain_is_never_restarted(kvm: Hypervisor, host: LocalHost) -> None:
    """It would be gone."""
    domain = kvm.connection.createXML(kvm.xml("db-1"))
    pid = pid_of(domain)
    with pytest.raises(GoldsmithError, match="the domain is transient"):
        tune(host, kvm)
    done = tune(host, kvm, on_refused="warn")
    assert not done["domains"]["db-1"]["restarted"] and pid_of(domain) == pid
