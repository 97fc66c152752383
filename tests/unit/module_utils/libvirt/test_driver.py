# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's own test driver (test:///default), which is in its library: a host of 8 CPUs with one running domain.

Of its CPUs 0, 2 and 4 are online.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.bindings import libvirt
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.domains import (
    ChangedMeanwhileError,
    list_domains,
    read_definitions,
    redefine,
)
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.tuning import tuned

from .driver import URI, XML, audit, definition

pytestmark = pytest.mark.skipif(libvirt is None, reason="python3-libvirt is not installed")

TUNING = """
cputune: {vcpupin: [{vcpu: all, cpuset: '0,2'}]}
memory_backing: {nosharepages: true, hard_limit: 16G}
disks: [{match: {bus: virtio}, cache: none, io: native}]
"""


def tune(
    host: LocalHost, domains: list[str], tuning: str = TUNING, *, check: bool = False, uri: str = URI, **options: t.Any
) -> dict[str, t.Any]:
    return tuned(host, uri, domains, tuning, check=check, **options)


def test_check_apply_check_apply(connection: t.Any, host: LocalHost) -> None:
    before = definition(connection, "db-1")
    announced = tune(host, ["db-*"], check=True)
    assert definition(connection, "db-1") == before
    applied = tune(host, ["db-*"])
    assert announced["changed"] and applied["changed"]
    backups = {name: result.pop("backup") for name, result in applied["domains"].items()}
    assert applied == announced
    assert {knob["status"] for knob in applied["domains"]["db-1"]["knobs"]} == {"applied"}
    for check in (True, False):
        again = tune(host, ["db-*"], check=check)
        assert not again["changed"] and again["diff"] == {"before": {}, "after": {}}
        assert {knob["status"] for knob in again["domains"]["db-2"]["knobs"]} == {"already"}
    after = definition(connection, "db-1")
    assert "cache='none' io='native'" in after and "<nosharepages/>" in after and "passwd='s3cret'" in after
    assert Path(backups["db-1"]).read_text() == before
    assert Path(backups["db-1"]).stat().st_mode & 0o777 == 0o600


def test_a_running_domain_is_pinned_at_once(connection: t.Any, host: LocalHost) -> None:
    domain = connection.lookupByName("test")
    (result,) = tune(host, ["test"], "cputune: {vcpupin: [{vcpu: '1', cpuset: '4'}]}")["domains"].values()
    assert [knob["status"] for knob in result["knobs"]] == ["applied_live"]
    assert [cpu for cpu, used in enumerate(domain.vcpuPinInfo()[1]) if used] == [4]
    assert "vcpu='1' cpuset='4'" in definition(connection, "test")
    back = tune(host, ["test"], "cputune: {vcpupin: [{vcpu: '1', cpuset: unpinned}]}")
    assert back["changed"]
    assert [cpu for cpu, used in enumerate(domain.vcpuPinInfo()[1]) if used] == [0, 2, 4]
    assert "vcpupin" not in definition(connection, "test")
    assert not tune(host, ["test"], "cputune: {vcpupin: [{vcpu: '1', cpuset: unpinned}]}")["changed"]


def test_iothreads_come_and_go_while_the_domain_runs(connection: t.Any, host: LocalHost) -> None:
    domain = connection.lookupByName("test")
    asked = "iothreads: 2\ncputune: {iothreadpin: [{iothread: '2', cpuset: '4'}]}"
    announced = tune(host, ["test"], asked, check=True)
    applied = tune(host, ["test"], asked)
    del applied["domains"]["test"]["backup"]
    assert applied == announced
    assert {knob["status"] for knob in applied["domains"]["test"]["knobs"]} == {"applied_live"}
    threads = {number: [cpu for cpu, used in enumerate(cpus) if used] for number, cpus in domain.ioThreadInfo(1)}
    assert threads[2] == [4] and sorted(threads) == [1, 2]
    assert "<iothreadpin iothread='2' cpuset='4'/>" in definition(connection, "test")
    assert not tune(host, ["test"], asked)["changed"]
    assert tune(host, ["test"], "iothreads: 0")["changed"]
    assert domain.ioThreadInfo(1) == [] and "iothread" not in definition(connection, "test")


def test_what_follows_after_a_live_change_takes_it_back(
    connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*dummy: object) -> None:
        raise libvirt.libvirtError("no")

    domain = connection.lookupByName("test")
    before = definition(connection, "test")
    monkeypatch.setattr(libvirt.virDomain, "pinIOThread", refuse)
    with pytest.raises(GoldsmithError, match="could not be changed while it runs"):
        tune(host, ["test"], "iothreads: 2\ncputune: {iothreadpin: [{iothread: '2', cpuset: '4'}]}")
    assert domain.ioThreadInfo(1) == [] and definition(connection, "test") == before


def test_a_match_that_fits_nothing(connection: t.Any, host: LocalHost) -> None:
    asked = "disks: [{match: {bus: scsi}, cache: none}]"
    with pytest.raises(GoldsmithError, match="none of the disks of db-1, db-2 is like that"):
        tune(host, ["db-*"], asked)
    assert not tune(host, ["db-*"], asked, allow_empty=True)["changed"]


def test_every_aspect_survives_libvirt(connection: t.Any, host: LocalHost) -> None:
    asked = """
    iothreads: 2
    cputune:
      shares: "512"
      period: "50000"
      quota: "20000"
      emulator_period: "50000"
      emulator_quota: "10000"
      iothread_period: "50000"
      iothread_quota: "10000"
      global_period: "50000"
      global_quota: "90000"
    numa:
      memory: {mode: preferred, nodeset: "0"}
      cells: [{cpus: "0", memory: 32M}, {cpus: "1", memory: 32M}]
    cpu: {mode: custom, model: qemu64, topology: {cores: 2}, features: [{name: pcid, policy: require}]}
    clock: {timers: [{name: hpet, present: "no"}, {name: rtc, tickpolicy: catchup}]}
    """
    before = definition(connection, "db-1")
    assert {knob["status"] for knob in tune(host, ["db-1"], asked)["domains"]["db-1"]["knobs"]} == {"applied"}
    assert not tune(host, ["db-1"], asked)["changed"]
    drift = audit(host, domains=["db-1"], only_drift=True)["db-1"]["drift"]
    assert drift == []
    back = """
    iothreads: 1
    cputune:
      shares: default
      period: default
      quota: default
      emulator_period: default
      emulator_quota: default
      iothread_period: default
      iothread_quota: default
      global_period: default
      global_quota: default
    numa: {memory: {nodeset: default}, cells: []}
    cpu: {topology: {}, features: [{name: pcid, policy: default}]}
    clock: {timers: [{name: hpet, present: default}, {name: rtc, tickpolicy: default}]}
    """
    assert tune(host, ["db-1"], back)["changed"]
    assert not tune(host, ["db-1"], back)["changed"]
    left = [line for line in definition(connection, "db-1").splitlines() if line not in before.splitlines()]
    assert [line.strip() for line in left] == [
        "<cpu mode='custom' match='exact'>",
        "<model fallback='allow'>qemu64</model>",
        "</cpu>",
    ]


def test_the_first_failure_takes_all_back(connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second domain is changed by somebody else in the middle of the run."""
    before = {name: definition(connection, name) for name in ("db-1", "test")}
    define, numbers = type(connection).defineXMLFlags, itertools.count()

    def define_and_meddle(self: t.Any, xml: str, flags: int) -> t.Any:
        if "<name>db-1</name>" in xml:
            text = definition(connection, "db-2")
            connection.defineXML(
                re.sub("<title>.*</title>|(?=<memory )", f"<title>{next(numbers)}</title>", text, count=1)
            )
        return define(self, xml, flags)

    monkeypatch.setattr(type(connection), "defineXMLFlags", define_and_meddle)
    with pytest.raises(GoldsmithError, match="definition of db-2 was changed by somebody else") as raised:
        tune(host, ["db-1", "db-2", "test"])
    assert "All domains are as they were before" in raised.value.way_out
    assert {name: definition(connection, name) for name in before} == before
    with pytest.raises(GoldsmithError, match="1 domains could not be changed: db-2: ") as raised:
        tune(host, ["db-1", "db-2", "test"], "balloon: {model: none}", atomic=False)
    assert raised.value.details["failed_domains"] == ["db-2"]
    told = raised.value.details["domains"]
    assert [told[name]["changed"] for name in ("db-1", "db-2", "test")] == [True, False, True]
    assert "changed by somebody else" in told["db-2"]["error"]
    assert "model='none'" in definition(connection, "test")


def test_what_libvirt_drops_is_an_error(connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    define = type(connection).defineXMLFlags

    def define_an_old_one(self: t.Any, xml: str, flags: int) -> t.Any:
        return define(self, xml.replace('model="none"', 'model="virtio"'), flags)

    monkeypatch.setattr(type(connection), "defineXMLFlags", define_an_old_one)
    with pytest.raises(GoldsmithError, match=r"libvirt took balloon\.model = none of db-1 without an error, and"):
        tune(host, ["db-1"], "balloon: {model: none}")


def test_a_definition_that_was_changed_meanwhile_is_not_overwritten(connection: t.Any) -> None:
    domain = list_domains(connection)["db-1"]
    read = read_definitions(domain).persistent
    assert read is not None
    connection.defineXML(read.replace("65536", "98304"))
    with pytest.raises(ChangedMeanwhileError, match="definition of db-1 was changed by somebody else"):
        redefine(connection, domain, read, read.replace(">2<", ">1<"), validate=True)
    assert ">98304<" in definition(connection, "db-1")


@pytest.mark.parametrize("since", ["started", "undefined while it runs"])
def test_a_domain_that_is_another_one_meanwhile_is_not_defined(connection: t.Any, since: str) -> None:
    if since == "started":
        domain = list_domains(connection)["db-1"]
        domain.handle.create()
    else:
        connection.lookupByName("db-1").create()
        domain = list_domains(connection)["db-1"]
        domain.handle.undefine()
    read = read_definitions(domain).persistent
    assert read is not None
    with pytest.raises(ChangedMeanwhileError, match="db-1 was started, ended or undefined by somebody else"):
        redefine(connection, domain, read, read.replace(">2<", ">1<"), validate=True)
    assert bool(domain.handle.isPersistent()) is (since == "started")


def test_who_is_told_to_end_takes_back_what_was_done(
    connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a time limit, or by a connection that broke."""
    before = {name: definition(connection, name) for name in ("db-1", "db-2")}
    define = type(connection).defineXMLFlags

    def define_until_told(self: t.Any, xml: str, flags: int) -> t.Any:
        if "<name>db-2</name>" in xml:
            os.kill(os.getpid(), signal.SIGTERM)
        return define(self, xml, flags)

    monkeypatch.setattr(type(connection), "defineXMLFlags", define_until_told)
    with pytest.raises(SystemExit, match="143"):
        tune(host, ["db-1", "db-2"], "balloon: {model: none}")
    assert {name: definition(connection, name) for name in before} == before
    assert not list(Path(host.tmpdir, "backups").glob("*/*.json"))
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_when_all_domains_fail_nothing_has_changed(
    connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: t.Any, xml: str, flags: int) -> t.Any:
        del self, xml, flags
        raise libvirt.libvirtError("no")

    monkeypatch.setattr(type(connection), "defineXMLFlags", refuse)
    with pytest.raises(GoldsmithError, match="could not be changed") as raised:
        tune(host, ["db-1"], "balloon: {model: none}", atomic=False)
    assert raised.value.details["changed"] is False


def test_a_domain_that_vanishes_is_one_less_that_fits_a_pattern(
    connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name in ("db-1", "db-2") if connection.lookupByName(name)]
    read = type(connection.lookupByName("db-1")).XMLDesc

    def read_what_is_there(self: t.Any, flags: int = 0) -> str:
        if self.name() == "db-2" and "db-2" in names:
            names.remove("db-2")
            connection.lookupByName("db-2").undefine()
        return str(read(self, flags))

    monkeypatch.setattr(type(connection.lookupByName("db-1")), "XMLDesc", read_what_is_there)
    assert "db-2" not in audit(host, domains=["*"]) and "db-1" in audit(host, domains=["*"])


def test_wishes_of_domains_that_are_not_there_are_no_silent_success(connection: t.Any, host: LocalHost) -> None:
    assert connection.lookupByName("db-1")
    wishes = [{"domains": ["dbb-1"], "profile": "database"}]
    with pytest.raises(GoldsmithError, match="there is no domain 'dbb-1'"):
        audit(host, domains=["db-1"], wishes=wishes)
    with pytest.raises(GoldsmithError, match="no domain fits the pattern 'dbb-"):
        audit(host, domains=["db-1"], wishes=[{**wishes[0], "domains": ["dbb-*"]}])


def test_refused_before_anything_is_written(connection: t.Any, host: LocalHost) -> None:
    before = definition(connection, "db-1")
    mixed = "cputune: {emulatorpin: 0-99}\nballoon: {model: none}"
    with pytest.raises(GoldsmithError, match=r"db-1: cputune\.emulatorpin = 0-99 is refused: the host has no CPU"):
        tune(host, ["db-1"], mixed)
    assert definition(connection, "db-1") == before
    tune(host, ["db-1"], mixed, on_refused="warn")
    assert "model='none'" in definition(connection, "db-1") and "emulatorpin" not in definition(connection, "db-1")
    assert any("cputune.emulatorpin = 0-99 is refused" in warning for warning in host.warnings)


def test_a_transient_domain_stays_transient(connection: t.Any, host: LocalHost) -> None:
    domain = connection.createXML(XML.format(name="gone"), 0)
    with pytest.raises(GoldsmithError, match="the domain is transient"):
        tune(host, ["gone"])
    done = tune(host, ["gone"], "cputune: {vcpupin: [{vcpu: '0', cpuset: '2'}]}")
    assert done["domains"]["gone"]["knobs"][0]["persistent"] is None
    assert not domain.isPersistent()
    assert [cpu for cpu, used in enumerate(domain.vcpuPinInfo()[0]) if used] == [2]


def test_only_the_newest_backups_stay(connection: t.Any, host: LocalHost) -> None:
    for model in ("none", "virtio", "none", "virtio"):
        tune(host, ["db-1"], f"balloon: {{model: {model}}}", backup_keep=2)
    uuid = connection.lookupByName("db-1").UUIDString()
    files = sorted(Path(host.tmpdir, "backups", uuid).iterdir())
    backups = [file for file in files if file.suffix == ".xml"]
    assert len(backups) == 2 and sorted(file.with_suffix(".json") for file in backups) == files[::2]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert ["model='none'" in backup.read_text() for backup in backups] == [False, True]


def test_a_directory_for_backups_that_is_no_path(connection: t.Any, host: LocalHost) -> None:
    before = connection.lookupByName("db-1").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    with pytest.raises(GoldsmithError, match="backup_dir is empty"):
        tune(host, ["db-1"], "balloon: {model: none}", backup_dir="")
    with pytest.raises(GoldsmithError, match="backup_keep is 0"):
        tune(host, ["db-1"], "balloon: {model: none}", backup_keep=0)
    with pytest.raises(GoldsmithError, match="backup_dir is empty"):
        audit(host, backup_dir="")
    assert connection.lookupByName("db-1").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == before


def test_domains_that_are_not_there(connection: t.Any, host: LocalHost) -> None:
    for selector in ("web", "web-*"):
        with pytest.raises(GoldsmithError, match="this hypervisor has: db-1, db-2, test"):
            tune(host, [selector], check=True)
    assert tune(host, ["web-*"], allow_empty=True) == {
        "changed": False,
        "domains": {},
        "diff": {"before": {}, "after": {}},
    }


def test_the_audit_of_another_host(connection: t.Any, host: LocalHost) -> None:
    connection.lookupByName("test").pinVcpu(0, (True,))
    found = audit(host, domains=["test", "db-1"], wishes=[{"domains": ["db-1"], "balloon": {"model": "none"}}])
    assert any("is not this host" in warning for warning in host.warnings)
    assert found["db-1"]["process"] is None and found["db-1"]["state"] == "shutoff"
    rows = {(name, knob["knob"]): knob for name in found for knob in found[name]["knobs"]}
    assert [drift["name"] for drift in rows["db-1", "balloon.model"]["drift"]] == ["not_as_wished"]
    pinned = rows["test", "cputune.vcpupin.0"]
    assert (pinned["persistent"], pinned["live"], pinned["kernel"]) == ("unpinned", "0", "unavailable")
    assert [drift["name"] for drift in pinned["drift"]] == ["live_differs"]
    assert audit(host, domains=["db-2"], only_drift=True)["db-2"]["knobs"] == []


def test_what_was_looked_for_on_another_host_is_told(connection: t.Any, host: LocalHost) -> None:
    tune(host, ["db-1"], "balloon: {model: none}", check=True)
    assert any("looked for in libvirt's capabilities alone" in warning for warning in host.warnings)
    with pytest.raises(GoldsmithError, match="has no pages of 16 GiB"):
        tune(host, ["db-1"], "memory_backing: {hugepages: {size: 16G}}")


def test_the_audit_tells_of_matches_that_fit_nothing(connection: t.Any, host: LocalHost) -> None:
    wish = {"domains": ["db-*"], "disks": [{"match": {"bus": bus}, "cache": "none"} for bus in ("virtio", "scsi")]}
    audit(host, wishes=[wish])
    (told,) = (warning for warning in host.warnings if "is like that" in warning)
    assert "wishes[0].disks[1].match is {'bus': 'scsi'}, and none of the disks of db-1, db-2" in told


def test_cpu_features_that_libvirt_does_not_know(connection: t.Any, host: LocalHost) -> None:
    """It defines a domain that has them, and refuses to start it."""
    mode = "cpu: {{mode: custom, model: qemu64, features: [{{name: {}, policy: {}}}]}}"
    tune(host, ["db-1"], mode.format("pcid", "require"))
    before = definition(connection, "db-1")
    with pytest.raises(GoldsmithError, match="libvirt knows no CPU feature pcdi") as raised:
        tune(host, ["db-1"], mode.format("pcdi", "disable"))
    assert definition(connection, "db-1") == before
    refused = raised.value.details["domains"]["db-1"]["knobs"][1]
    assert (refused["status"], refused["persistent"]) == ("refused", {"before": "default", "after": "default"})
    connection.defineXML(before.replace("pcid", "pcdi"))
    (told,) = audit(host, domains=["db-1"])["db-1"]["drift"]
    assert told.startswith("cpu.features.pcdi: cannot_start: libvirt knows no CPU feature pcdi")
    # That is put right by a wish as well.
    assert tune(host, ["db-1"], mode.format("pcdi", "default"))["changed"]
    assert audit(host, domains=["db-1"])["db-1"]["drift"] == []


def test_a_balloon_of_which_the_definition_says_nothing(connection: t.Any, host: LocalHost) -> None:
    """libvirt's QEMU driver would have added one."""
    connection.defineXML(definition(connection, "db-1").replace("<memballoon model='virtio'/>", ""))
    assert "memballoon" not in definition(connection, "db-1")
    asked = "balloon: {autodeflate: 'on', stats_period: '5'}"
    assert tune(host, ["db-1"], asked)["changed"]
    assert "<memballoon model='virtio' autodeflate='on'>" in definition(connection, "db-1")
    assert not tune(host, ["db-1"], asked)["changed"]
