# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""domain_tune on a real libvirtd with real QEMU, seen from the kernel's side as well."""

from __future__ import annotations

import os
import time
import typing as t
from pathlib import Path

import libvirt
import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.cpuset import CpuSet
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt import live
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.tuning import audited, tuned

from .hypervisor import Hypervisor, affinities, pid_of
from .plays import run_module

MODULE = "goldsmith.kvm.domain_tune"
SECURE = libvirt.VIR_DOMAIN_XML_SECURE
INACTIVE = SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE
CPUS = sorted(os.sched_getaffinity(0))
ALL = ",".join(map(str, CPUS))
FIRST, LAST = str(CPUS[0]), str(CPUS[-1])

pytestmark = pytest.mark.skipif(len(CPUS) < 2, reason="pins can only be seen on a machine with two CPUs or more")


def tune(host: LocalHost, kvm: Hypervisor, tuning: str, *domains: str, **options: t.Any) -> dict[str, t.Any]:
    return tuned(host, kvm.uri, list(domains or ["db-1"]), tuning, **options)


def statuses(result: dict[str, t.Any], domain: str = "db-1") -> dict[str, str]:
    return {knob["knob"]: knob["status"] for knob in result["domains"][domain]["knobs"]}


def test_check_apply_check_apply_as_a_module(kvm: Hypervisor, tmp_path: Path) -> None:
    domain = kvm.define("db-1")
    before = domain.XMLDesc(INACTIVE)
    wishes = [
        {
            "domains": ["db-*"],
            "cputune": {
                "vcpupin": [{"vcpu": "all", "cpuset": ALL}],
                "emulatorpin": FIRST,
            },
            "memory_backing": {"nosharepages": True},
            "balloon": {"model": "none"},
            "disks": [{"match": {"bus": "virtio"}, "cache": "none", "io": "native", "discard": "unmap"}],
        }
    ]
    options = {"uri": kvm.uri, "wishes": wishes, "backup_dir": str(tmp_path / "backups")}
    announced = run_module(MODULE, "--check", "--diff", **options)
    assert announced["changed"], announced
    assert domain.XMLDesc(INACTIVE) == before
    applied = run_module(MODULE, "--diff", **options)
    backup = Path(applied["domains"]["db-1"].pop("backup"))
    assert (applied["domains"], applied["diff"]) == (announced["domains"], announced["diff"])
    assert (backup.read_text(), backup.stat().st_mode & 0o777) == (before, 0o600)
    for option in ("--check", "--diff"):
        again = run_module(MODULE, option, **options)
        assert not again["changed"]
        assert set(statuses(again).values()) == {"already"}
    assert "s3cret" not in str(applied) and "passwd='s3cret12'" in domain.XMLDesc(INACTIVE)


def test_nothing_is_lost(kvm: Hypervisor, host: LocalHost) -> None:
    """What is not named is the same, after libvirt itself has written it anew."""
    domain = kvm.define("db-1", more="<cputune><shares>512</shares></cputune>")
    before = domain.XMLDesc(INACTIVE).splitlines()
    tune(host, kvm, f"cputune: {{emulatorpin: '{FIRST}'}}\nballoon: {{autodeflate: 'on'}}")
    changed = [line for line in domain.XMLDesc(INACTIVE).splitlines() if line not in before]
    assert changed == [f"    <emulatorpin cpuset='{FIRST}'/>", "    <memballoon model='virtio' autodeflate='on'>"]
    tune(host, kvm, "cputune: {emulatorpin: unpinned}\nballoon: {autodeflate: default}")
    assert domain.XMLDesc(INACTIVE).splitlines() == before


def test_pins_move_the_threads_of_a_running_domain(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    domain.create()
    free = affinities(domain)
    pins = f"""
    cputune:
      vcpupin: [{{vcpu: "0", cpuset: "{FIRST}"}}, {{vcpu: "1", cpuset: "{LAST}"}}]
      emulatorpin: "{LAST}"
      iothreadpin: [{{iothread: "1", cpuset: "{FIRST}"}}]
    """
    announced = tune(host, kvm, pins, check=True)
    assert affinities(domain) == free
    applied = tune(host, kvm, pins)
    assert set(statuses(applied).values()) == {"applied_live"}
    del applied["domains"]["db-1"]["backup"]
    assert applied == announced
    assert affinities(domain) == {
        **affinities(domain),
        "CPU 0/TCG": FIRST,
        "CPU 1/TCG": LAST,
        "main": LAST,
        "IO iothread1": FIRST,
    }
    assert not tune(host, kvm, pins)["changed"]
    back = """
    cputune:
      vcpupin: [{vcpu: all, cpuset: unpinned}]
      emulatorpin: unpinned
      iothreadpin: [{iothread: all, cpuset: unpinned}]
    """
    assert set(statuses(tune(host, kvm, back)).values()) == {"applied_live"}
    assert affinities(domain) == free
    assert "cputune" not in domain.XMLDesc(INACTIVE)
    assert set(statuses(tune(host, kvm, back)).values()) == {"already"}


def test_a_pin_of_the_running_domain_alone(kvm: Hypervisor, host: LocalHost) -> None:
    """A pin by hand leaves the definition as it was: both are read, and both are written."""
    domain = kvm.define("db-1")
    domain.create()
    domain.pinEmulator(tuple(str(cpu) == FIRST for cpu in range(CPUS[-1] + 1)), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    (knob,) = tune(host, kvm, f"cputune: {{emulatorpin: '{FIRST}'}}")["domains"]["db-1"]["knobs"]
    assert (knob["status"], knob["persistent"]["before"], knob["live"]["before"]) == ("applied", "unpinned", FIRST)
    domain.pinEmulator((True,) * (CPUS[-1] + 1), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    (knob,) = tune(host, kvm, f"cputune: {{emulatorpin: '{FIRST}'}}")["domains"]["db-1"]["knobs"]
    assert (knob["status"], knob["persistent"]["before"]) == ("applied_live", FIRST)


def test_what_waits_for_a_restart_vanishes_with_it(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    domain.create()
    asked = "balloon: {model: none}\ndisks: [{match: {target: vda}, cache: none, io: native}]"
    first, second = tune(host, kvm, asked), tune(host, kvm, asked)
    assert (first["changed"], second["changed"]) == (True, False)
    for result in (first, second):
        assert set(statuses(result).values()) == {"pending_restart"}
        assert result["domains"]["db-1"]["restart_required"]
    found = audited(host, kvm.uri)["db-1"]
    assert found["restart_required"] and any("pending_restart" in line for line in found["drift"])
    # What a guest does by itself is no start.
    domain.reset()
    assert tune(host, kvm, asked)["domains"]["db-1"]["restart_required"]
    domain.destroy()
    domain.create()
    third = tune(host, kvm, asked)
    assert set(statuses(third).values()) == {"already"} and not third["domains"]["db-1"]["restart_required"]
    command_line = Path(f"/proc/{pid_of(domain)}/cmdline").read_text()
    assert '"direct":true' in command_line and '"aio":"native"' in command_line
    assert "virtio-balloon" not in command_line


def test_statistics_change_at_once(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    domain.create()
    asked, back = (f"balloon: {{stats_period: {period}}}" for period in (7, "none"))
    assert statuses(tune(host, kvm, asked)) == {"balloon.stats_period": "applied_live"}
    assert not tune(host, kvm, asked)["changed"]
    assert "<stats period='7'/>" in domain.XMLDesc(0)
    assert statuses(tune(host, kvm, back)) == {"balloon.stats_period": "applied_live"}
    assert "<stats" not in domain.XMLDesc(0)
    assert not tune(host, kvm, back)["changed"]


def test_a_memory_limit_changes_at_once(kvm: Hypervisor, host: LocalHost) -> None:
    """Where libvirtd could start a domain that has one; elsewhere it is refused."""
    domain = kvm.define("db-1")
    domain.create()
    (knob,) = tune(host, kvm, "memory_backing: {hard_limit: 2G}", on_refused="warn")["domains"]["db-1"]["knobs"]
    if live.ability(domain, ["set_hard_limit"]).obstacles:
        pytest.skip("libvirt may not use this machine's cgroups")
    if knob["status"] == "refused":
        assert "CAP_SYS_RESOURCE" in knob["reason"]
        live.call("set_hard_limit", domain, 0, 2 * 1024**3)
    else:
        assert knob["status"] == "applied_live"
    assert domain.memoryParameters(libvirt.VIR_DOMAIN_AFFECT_LIVE)["hard_limit"] == 2 * 1024**2
    # Its guest has 32 MiB, and QEMU more than that.
    with pytest.raises(
        GoldsmithError, match=r"cannot be 33 MiB while it runs: QEMU has .* and the kernel would kill it"
    ):
        live.call("set_hard_limit", domain, 0, 33 * 1024**2)
    assert domain.memoryParameters(libvirt.VIR_DOMAIN_AFFECT_LIVE)["hard_limit"] == 2 * 1024**2
    assert domain.isActive()


def test_cpu_time_changes_at_once(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    domain.create()
    names = ("set_shares", "set_quota")
    able = live.ability(domain, names)
    status = "pending_restart" if able.obstacles else "applied_live"
    asked = "cputune: {shares: '512', quota: '20000', period: '50000', emulator_quota: '30000', "
    asked += "iothread_quota: '10000', global_quota: '200000'}"
    assert set(statuses(tune(host, kvm, asked)).values()) == {status}
    assert not tune(host, kvm, asked)["changed"]
    back = "cputune: {shares: default, quota: default, period: default, emulator_quota: default, "
    back += "iothread_quota: default, global_quota: default}"
    if able.obstacles:
        pytest.skip(f"seen in the definition alone: {able.obstacles}")
    said = domain.schedulerParametersFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE)
    told = ("cpu_shares", "vcpu_quota", "vcpu_period", "emulator_quota", "iothread_quota", "global_quota")
    assert [said[name] for name in told] == [512, 20000, 50000, 30000, 10000, 200000]
    returned = statuses(tune(host, kvm, back))
    assert returned.pop("cputune.shares") == "pending_restart"
    assert set(returned.values()) == {"applied_live"}
    said = domain.schedulerParametersFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert [said[name] for name in told] == [512, -1, 100000, -1, -1, -1]
    assert not tune(host, kvm, back)["changed"] and "cputune" not in domain.XMLDesc(INACTIVE)
    domain.destroy()
    domain.create()
    assert set(statuses(tune(host, kvm, back)).values()) == {"already"}


def test_iothreads_come_with_their_pins_and_go(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    domain.create()
    asked = f"iothreads: 3\ncputune: {{iothreadpin: [{{iothread: '3', cpuset: '{LAST}'}}]}}"
    assert set(statuses(tune(host, kvm, asked)).values()) == {"applied_live"}
    assert affinities(domain)["IO iothread3"] == LAST
    assert not tune(host, kvm, asked)["changed"]
    assert statuses(tune(host, kvm, "iothreads: 1")) == {"iothreads": "applied_live"}
    assert {name for name in affinities(domain) if name.startswith("IO iothread")} == {"IO iothread1"}
    used = "disks: [{match: {target: vda}, iothread: '1'}]"
    assert statuses(tune(host, kvm, used)) == {"disks.vda.iothread": "pending_restart"}
    domain.destroy()
    domain.create()
    none = "iothreads: 0\ndisks: [{match: {target: vda}, iothread: none}]"
    assert set(statuses(tune(host, kvm, none)).values()) == {"pending_restart"}
    domain.destroy()
    domain.create()
    assert set(statuses(tune(host, kvm, none)).values()) == {"already"}


GUEST = """
numa: {memory: {mode: restrictive, nodeset: "0"}, cells: [{cpus: "0", memory: 16M}, {cpus: "1", memory: 16M}]}
cpu:
  mode: custom
  model: Haswell
  topology: {threads: 2}
  features: [{name: hle, policy: disable}, {name: rtm, policy: optional}]
interfaces: [{match: {model: virtio}, driver: qemu}]
clock: {timers: [{name: hpet, present: "no"}, {name: rtc, tickpolicy: catchup}]}
"""
NIC = "<interface type='ethernet'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>"


def test_what_a_guest_sees_comes_with_its_next_start(kvm: Hypervisor, host: LocalHost) -> None:
    """libvirt spells the CPU of a running domain out, which must not look as if it waited for another start."""
    text = kvm.xml("db-1").replace("<graphics", f"{NIC}<graphics")
    domain = kvm.connection.defineXML(text)
    domain.create()
    first = statuses(tune(host, kvm, GUEST))
    # The running CPU has neither of them.
    assert {first.pop(f"cpu.features.{name}") for name in ("hle", "rtm")} == {"applied"}
    assert set(first.values()) == {"pending_restart"}
    assert not tune(host, kvm, GUEST)["changed"]
    domain.destroy()
    domain.create()
    assert "check='full'" in domain.XMLDesc(0)
    again = statuses(tune(host, kvm, GUEST))
    assert set(again.values()) == {"already"}
    assert [line for line in audited(host, kvm.uri)["db-1"]["drift"] if "pending_restart" in line] == []
    command_line = Path(f"/proc/{pid_of(domain)}/cmdline").read_text()
    for part in ("Haswell", "hle=off", "threads=2", "node,nodeid=1"):
        assert part in command_line
    # Newer versions of libvirt tell the machine, older ones QEMU itself.
    assert "hpet=off" in command_line or "-no-hpet" in command_line
    # In the mode restrictive memory can move; machines with a second node are rare.
    if not live.ability(domain, ["set_nodeset"]).obstacles:
        live.call("set_nodeset", domain, 0, CpuSet.of([0]))
    assert statuses(tune(host, kvm, "numa: {memory: {nodeset: '0'}}")) == {"numa.memory.nodeset": "already"}
    model = "cpu: {mode: host-model, features: [{name: hle, policy: default}, {name: rtm, policy: default}]}"
    assert statuses(tune(host, kvm, model))["cpu.mode"] == "pending_restart"
    assert tune(host, kvm, model)["domains"]["db-1"]["restart_required"]
    domain.destroy()
    domain.create()
    assert set(statuses(tune(host, kvm, model)).values()) == {"already"}


def test_models_that_libvirt_does_not_know(kvm: Hypervisor, host: LocalHost) -> None:
    kvm.define("db-1")
    with pytest.raises(GoldsmithError, match="libvirt knows no CPU model Z80"):
        tune(host, kvm, "cpu: {mode: custom, model: Z80}")
    with pytest.raises(GoldsmithError, match="is emulated"):
        tune(host, kvm, "cpu: {mode: host-passthrough}")


@pytest.mark.parametrize("mode", ["mode: maximum", "mode: host-model", "mode: custom, model: qemu64"])
def test_features_that_libvirt_does_not_know(kvm: Hypervisor, host: LocalHost, mode: str) -> None:
    """It takes them into the definition, and does not start the domain, whatever is said of them."""
    domain = kvm.define("db-1")
    for policy in ("require", "disable", "optional"):
        with pytest.raises(GoldsmithError, match="libvirt knows no CPU feature unheard-of"):
            tune(host, kvm, f"cpu: {{{mode}, features: [{{name: unheard-of, policy: {policy}}}]}}")
    tune(host, kvm, f"cpu: {{{mode}, features: [{{name: x2apic, policy: disable}}]}}")
    text = domain.XMLDesc(INACTIVE)
    domain.create()
    domain.destroy()
    domain = kvm.connection.defineXML(text.replace("x2apic", "unheard-of"))
    with pytest.raises(libvirt.libvirtError, match="unknown CPU feature"):
        domain.create()
    (told,) = audited(host, kvm.uri)["db-1"]["drift"]
    assert "cpu.features.unheard-of: cannot_start" in told


def test_cpus_one_to_one_as_a_plan_has_them(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    domain.create()
    plan = {"db-1": {"vcpupin_each": [CPUS[-1], CPUS[0]], "emulatorpin": FIRST}}
    wishes = [{"domains": [name], "cputune": cputune} for name, cputune in plan.items()]
    assert set(statuses(tune(host, kvm, "{}", wishes=wishes)).values()) == {"applied_live"}
    found = affinities(domain)
    assert (found["CPU 0/TCG"], found["CPU 1/TCG"], found["main"]) == (LAST, FIRST, FIRST)
    assert not tune(host, kvm, f"cputune: {{vcpupin_each: ['{LAST}', '{FIRST}']}}")["changed"]


def test_hundred_domains_take_one_call(kvm: Hypervisor, host: LocalHost) -> None:
    for number in range(100):
        kvm.define(f"vm-{number}")
    asked = f"cputune: {{emulatorpin: '{FIRST}'}}\nmemory_backing: {{nosharepages: true}}\n"
    asked += "disks: [{match: {bus: virtio}, cache: none}]"
    began = time.monotonic()
    assert tune(host, kvm, asked, "vm-*")["changed"]
    changed = time.monotonic() - began
    assert not tune(host, kvm, asked, "vm-*")["changed"]
    unchanged = time.monotonic() - began - changed
    # Whatever else the machine does: half a second a domain is what a task of its own would cost.
    assert changed < 50 and unchanged < changed / 2
