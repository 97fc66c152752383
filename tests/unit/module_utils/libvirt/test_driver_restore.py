# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarting, undoing and profiles, on libvirt's own test driver, whose guests shut down at once."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.bindings import libvirt
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.tuning import restored, tuned

from .driver import URI, XML, audit, definition

pytestmark = pytest.mark.skipif(libvirt is None, reason="python3-libvirt is not installed")

TUNING = """
cputune: {emulatorpin: '0,2'}
memory_backing: {nosharepages: true, hard_limit: 16G}
disks: [{match: {bus: virtio}, cache: none}]
"""


def tune(host: LocalHost, *domains: str, tuning: str = TUNING, **options: t.Any) -> dict[str, t.Any]:
    return tuned(host, URI, list(domains), tuning, **options)


def restore(host: LocalHost, *domains: str, **options: t.Any) -> dict[str, t.Any]:
    return restored(host, URI, list(domains), **options)


def knobs(result: dict[str, t.Any], domain: str = "db-1") -> dict[str, dict[str, t.Any]]:
    return {knob["knob"]: knob for knob in result["domains"][domain]["knobs"]}


def statuses(result: dict[str, t.Any], domain: str = "db-1") -> set[str]:
    return {knob["status"] for knob in knobs(result, domain).values()}


def drift(host: LocalHost, domain: str = "db-1", **options: t.Any) -> dict[str, str]:
    rows = audit(host, domains=[domain], backup_dir=f"{host.tmpdir}/backups", **options)[domain]["knobs"]
    return {row["knob"]: each["reason"] for row in rows for each in row["drift"] if each["name"] == "changed_by_hand"}


# -- restart


def test_a_restart_is_foreseen_and_brings_what_waits(connection: t.Any, host: LocalHost) -> None:
    domain = connection.lookupByName("db-1")
    domain.create()
    number = domain.ID()
    waiting = tune(host, "db-*")
    assert waiting["domains"]["db-1"]["restart_required"] and not waiting["domains"]["db-1"]["restarted"]
    announced = tune(host, "db-*", restart="if_needed", check=True)
    assert announced["changed"] and connection.lookupByName("db-1").ID() == number
    done = tune(host, "db-*", restart="if_needed")
    # The definition had it already: there is nothing to keep, and the restart is all that changes.
    assert done == announced
    assert done["domains"]["db-1"]["restarted"] and not done["domains"]["db-1"]["restart_required"]
    assert "pending_restart" not in statuses(done)
    assert knobs(done)["disks.vda.cache"]["live"] == {"before": "default", "after": "none"}
    assert done["diff"]["after"]["db-1"]["live"]["disks.vda.cache"] == "none"
    assert connection.lookupByName("db-1").ID() != number
    assert not done["domains"]["db-2"]["restarted"] and not connection.lookupByName("db-2").isActive()
    again = tune(host, "db-*", restart="if_needed")
    assert not again["changed"] and statuses(again) == {"already"}


def test_nothing_that_waits_is_no_restart(connection: t.Any, host: LocalHost) -> None:
    connection.lookupByName("db-1").create()
    number = connection.lookupByName("db-1").ID()
    done = tune(host, "db-1", tuning="cputune: {vcpupin: [{vcpu: '0', cpuset: '2'}]}", restart="if_needed")
    assert statuses(done) == {"applied_live"} and connection.lookupByName("db-1").ID() == number


def test_a_paused_domain_is_refused_before_anything_is_written(connection: t.Any, host: LocalHost) -> None:
    for name in ("db-1", "db-2"):
        connection.lookupByName(name).create()
    connection.lookupByName("db-1").suspend()
    before = definition(connection, "db-1")
    for check in (True, False):
        with pytest.raises(GoldsmithError, match="db-1: the domain is paused") as raised:
            tune(host, "db-*", restart="if_needed", check=check)
        assert raised.value.details["domains"]["db-1"]["restart_required"]
    assert definition(connection, "db-1") == before
    done = tune(host, "db-*", restart="if_needed", on_refused="warn")
    assert any("db-1 is not restarted: the domain is paused" in warning for warning in host.warnings)
    assert [done["domains"][name]["restarted"] for name in ("db-1", "db-2")] == [False, True]
    assert "pending_restart" in statuses(done) and connection.lookupByName("db-1").info()[0] == 3


def test_a_domain_that_stays_on_when_its_guest_ends(connection: t.Any, host: LocalHost) -> None:
    text = definition(connection, "db-1").replace("<on_poweroff>destroy<", "<on_poweroff>restart<")
    connection.defineXML(text).create()
    with pytest.raises(GoldsmithError, match="its on_poweroff is restart"):
        tune(host, "db-1", restart="if_needed")


def test_one_that_fails_does_not_stop_the_others(
    connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """db-1 ignores what it is asked, as a guest without an operating system does."""
    for name in ("db-1", "db-2"):
        connection.lookupByName(name).create()
    shutdown = libvirt.virDomain.shutdown
    monkeypatch.setattr(libvirt.virDomain, "shutdown", lambda self: self.name() == "db-1" or shutdown(self))
    with pytest.raises(GoldsmithError, match="db-1 has not shut down within 1 seconds") as raised:
        tune(host, "db-*", restart="if_needed", restart_timeout=1)
    details = raised.value.details
    assert details["failed_domains"] == ["db-1"] and details["changed"]
    assert "would then stay off" in details["domains"]["db-1"]["error"]
    assert "cache='none'" in definition(connection, "db-1")
    assert [details["domains"][name]["restarted"] for name in ("db-1", "db-2")] == [False, True]
    assert statuses(details) >= {"pending_restart"} and "pending_restart" not in statuses(details, "db-2")
    assert details["domains"]["db-1"]["state"] == "running"


def test_one_that_does_not_start_again_is_told_as_it_is(
    connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.lookupByName("db-1").create()

    def refuse(self: t.Any) -> None:
        self.pinVcpu(99, (True,))

    monkeypatch.setattr(libvirt.virDomain, "create", refuse)
    with pytest.raises(GoldsmithError, match="has shut down, and does not start with its new settings") as raised:
        tune(host, "db-1", restart="if_needed")
    result = raised.value.details["domains"]["db-1"]
    assert (result["state"], result["restarted"]) == ("shutoff", False)
    assert knobs(result_of := raised.value.details)["disks.vda.cache"]["status"] == "applied"
    assert "pending_restart" not in statuses(result_of)
    assert Path(result["backup"]).exists()


def test_one_that_is_undefined_while_it_shuts_down(
    connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is gone, and the other is restarted all the same."""
    for name in ("db-1", "db-2"):
        connection.lookupByName(name).create()
    shutdown = libvirt.virDomain.shutdown

    def end(self: t.Any) -> None:
        shutdown(self)
        if self.name() == "db-1":
            self.undefine()

    monkeypatch.setattr(libvirt.virDomain, "shutdown", end)
    with pytest.raises(GoldsmithError, match="db-1: db-1 cannot be looked at") as raised:
        tune(host, "db-*", restart="if_needed")
    details = raised.value.details
    assert [details["domains"][name]["restarted"] for name in ("db-1", "db-2")] == [False, True]


def test_libvirt_that_is_gone_after_the_restart(
    connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not read back is not told as if it were true."""
    connection.lookupByName("db-1").create()
    create = libvirt.virDomain.create

    def start_and_vanish(self: t.Any) -> None:
        create(self)
        monkeypatch.setattr(type(connection), "listAllDomains", lambda *dummy: connection.lookupByName("gone"))

    monkeypatch.setattr(libvirt.virDomain, "create", start_and_vanish)
    with pytest.raises(GoldsmithError, match="the domains cannot be listed") as raised:
        tune(host, "db-1", restart="if_needed")
    monkeypatch.undo()
    assert not raised.value.details["domains"]["db-1"]["restarted"]
    assert "pending_restart" in statuses(raised.value.details)


def test_with_atomic_false_the_others_are_restarted(
    connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libvirt refuses what db-2 is to become; db-1 does not wait for that."""
    for name in ("db-1", "db-2"):
        connection.lookupByName(name).create()
    before = definition(connection, "db-2")
    define = type(connection).defineXMLFlags

    def define_one(self: t.Any, xml: str, flags: int) -> t.Any:
        return define(self, "<domain/>" if "<name>db-2</name>" in xml and "cache=" in xml else xml, flags)

    monkeypatch.setattr(type(connection), "defineXMLFlags", define_one)
    with pytest.raises(GoldsmithError, match="1 domains could not be changed: db-2") as raised:
        tune(host, "db-*", restart="if_needed", atomic=False)
    details = raised.value.details
    assert details["failed_domains"] == ["db-2"]
    assert [details["domains"][name]["restarted"] for name in ("db-1", "db-2")] == [True, False]
    assert [details["domains"][name]["changed"] for name in ("db-1", "db-2")] == [True, False]
    assert definition(connection, "db-2") == before and drift(host, "db-2") == {}


# -- restored


def test_only_what_was_touched_is_put_back(connection: t.Any, host: LocalHost) -> None:
    before = definition(connection, "db-1")
    backup = tune(host, "db-1")["domains"]["db-1"]["backup"]
    record = json.loads(Path(backup).with_suffix(".json").read_text())
    assert record["knobs"]["cputune.emulatorpin"] == {"before": "unpinned", "after": {"cpus": "0,2"}}
    assert record["knobs"]["memory_backing.hard_limit"] == {"before": "none", "after": 16 * 1024**3}
    # What somebody else changes besides is theirs.
    text = definition(connection, "db-1").replace("<vcpu placement='static'>2<", "<vcpu placement='static'>3<")
    connection.defineXML(text)
    announced = restore(host, "db-1", check=True)
    assert definition(connection, "db-1") != before and announced["changed"]
    done = restore(host, "db-1")
    del done["domains"]["db-1"]["backup"]
    assert done == announced
    assert done["diff"]["after"]["db-1"]["persistent"]["disks.vda.cache"] == "default"
    assert "as it was before the change of 20" in knobs(done)["disks.vda.cache"]["reason"]
    after = definition(connection, "db-1")
    assert after.replace("'static'>3<", "'static'>2<") == before
    again = restore(host, "db-1")
    assert not again["changed"] and statuses(again) == {"already"}
    assert definition(connection, "db-1") == after


def test_what_was_taken_along_comes_back_as_well(connection: t.Any, host: LocalHost) -> None:
    tune(host, "db-1", tuning="balloon: {autodeflate: 'on', stats_period: '5'}")
    diff = tune(host, "db-1", tuning="balloon: {model: none}")["diff"]
    assert diff["before"]["db-1"]["persistent"]["balloon.autodeflate"] == "on"
    assert "autodeflate" not in definition(connection, "db-1")
    restore(host, "db-1")
    assert "autodeflate='on'" in definition(connection, "db-1") and "period='5'" in definition(connection, "db-1")


def test_what_went_with_an_iothread_comes_back_with_it(connection: t.Any, host: LocalHost) -> None:
    tune(host, "db-1", tuning="iothreads: 2\ncputune: {iothreadpin: [{iothread: '2', cpuset: '0'}]}")
    pinned = definition(connection, "db-1")
    tune(host, "db-1", tuning="iothreads: 1")
    assert "iothreadpin" not in definition(connection, "db-1")
    announced = restore(host, "db-1", check=True)
    done = restore(host, "db-1")
    assert knobs(done)["cputune.iothreadpin.2"]["persistent"] == {"before": "unpinned", "after": "0"}
    del done["domains"]["db-1"]["backup"]
    assert done == announced and definition(connection, "db-1") == pinned
    assert not restore(host, "db-1")["changed"] and drift(host) == {}


def test_an_iothread_whose_pin_somebody_changed_since_stays(connection: t.Any, host: LocalHost) -> None:
    tune(host, "db-1", tuning="iothreads: 2\ncputune: {iothreadpin: [{iothread: '2', cpuset: '0'}]}")
    connection.defineXML(definition(connection, "db-1").replace("iothread='2' cpuset='0'", "iothread='2' cpuset='4'"))
    assert "left the definition with 0" in drift(host)["cputune.iothreadpin.2"]
    with pytest.raises(GoldsmithError, match=r"changed cputune\.iothreadpin\.2 since, which would go with its thread"):
        restore(host, "db-1")
    assert "<iothreads>2<" in definition(connection, "db-1")


def test_cpu_features_and_a_mode_that_there_was_not(connection: t.Any, host: LocalHost) -> None:
    before = definition(connection, "db-1")
    features = "features: [{name: pcid, policy: require}]"
    tune(host, "db-1", tuning=f"cpu: {{mode: host-model, topology: {{cores: 2}}, {features}}}")
    assert drift(host) == {}
    text = definition(connection, "db-1")
    connection.defineXML(text.replace("<feature policy='require' name='pcid'/>", ""))
    assert "now it has default" in drift(host)["cpu.features.pcid"]
    connection.defineXML(text)
    restore(host, "db-1")
    assert definition(connection, "db-1") == before


def test_what_somebody_changed_since_is_refused(connection: t.Any, host: LocalHost) -> None:
    tune(host, "db-*")
    text = definition(connection, "db-1").replace("cache='none'", "cache='writeback'")
    connection.defineXML(text)
    assert "with none at 20" in drift(host)["disks.vda.cache"]
    before = [definition(connection, name) for name in ("db-1", "db-2")]
    for check in (True, False):
        with pytest.raises(GoldsmithError, match="somebody has changed it since: domain_tune made it none"):
            restore(host, "db-*", check=check)
    assert [definition(connection, name) for name in ("db-1", "db-2")] == before
    done = restore(host, "db-*", on_refused="warn")
    assert knobs(done)["disks.vda.cache"]["status"] == "refused"
    assert "cache='writeback'" in definition(connection, "db-1")
    assert "nosharepages" not in definition(connection, "db-1") and "cache=" not in definition(connection, "db-2")


def test_without_a_record_it_says_so(connection: t.Any, host: LocalHost) -> None:
    tune(host, "db-1")
    with pytest.raises(GoldsmithError, match=r"no change is recorded in .* of db-2") as raised:
        restore(host, "db-*")
    assert "backup_dir" in raised.value.way_out
    connection.createXML(XML.format(name="gone"), 0)
    with pytest.raises(GoldsmithError, match="gone is transient"):
        restore(host, "gone")
    with pytest.raises(GoldsmithError, match="needs domains"):
        restored(host, URI, None)
    with pytest.raises(GoldsmithError, match="needs wishes"):
        restored(host, URI, ["db-1"], state="present")


def test_a_change_that_did_not_come_about_is_not_recorded(
    connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    tune(host, "db-*", tuning="balloon: {model: none}")
    before = definition(connection, "db-1")
    define = type(connection).defineXMLFlags

    def define_one(self: t.Any, xml: str, flags: int) -> t.Any:
        return define(self, "<domain/>" if "<name>db-2</name>" in xml else xml, flags)

    with monkeypatch.context() as patched:
        patched.setattr(type(connection), "defineXMLFlags", define_one)
        with pytest.raises(GoldsmithError):
            tune(host, "db-*")
    assert definition(connection, "db-1") == before and drift(host) == {}
    restore(host, "db-*")
    assert "model='none'" not in definition(connection, "db-1")


def test_a_backup_that_cannot_be_made(connection: t.Any, host: LocalHost) -> None:
    """Then nothing is changed, and of the domains before it nothing is recorded."""
    before = [definition(connection, name) for name in ("db-1", "db-2")]
    Path(host.tmpdir, "backups").mkdir()
    in_the_way = Path(host.tmpdir, "backups", connection.lookupByName("db-2").UUIDString())
    in_the_way.write_text("")
    with pytest.raises(GoldsmithError, match=str(in_the_way)):
        tune(host, "db-*")
    assert [definition(connection, name) for name in ("db-1", "db-2")] == before
    with pytest.raises(GoldsmithError, match=r"no change is recorded in .* of db-1"):
        restore(host, "db-1")


def test_attempts_that_fail_leave_older_backups_alone(
    connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many they are: the last change can be undone, and no definition of an attempt is kept."""
    first = tune(host, "db-1", tuning="balloon: {model: none}")["domains"]["db-1"]["backup"]

    def refuse(self: t.Any, xml: str, flags: int) -> t.Any:
        del self, xml, flags
        raise libvirt.libvirtError("no")

    with monkeypatch.context() as patched:
        patched.setattr(type(connection), "defineXMLFlags", refuse)
        for dummy in range(3):
            with pytest.raises(GoldsmithError):
                tune(host, "db-1", backup_keep=2)
    there = [path for path in Path(first).parent.iterdir() if path.suffix == ".xml"]
    assert there == [Path(first)]
    restore(host, "db-1")
    assert "model='none'" not in definition(connection, "db-1")


@pytest.mark.usefixtures("connection")
def test_who_names_nothing_is_told_so(host: LocalHost) -> None:
    cases: list[tuple[str, dict[str, t.Any], str]] = [
        ("present", {"wishes": [{"domains": []}]}, r"wishes\[0\].domains is empty"),
        ("restored", {"domains": []}, "domains is empty"),
        ("restored", {"domains": ["db-1"], "wishes": [{"domains": ["db-2"]}]}, "both domains and wishes"),
    ]
    for state, options, told in cases:
        with pytest.raises(GoldsmithError, match=told):
            restored(host, URI, options.pop("domains", None), state=state, **options)
    done = restored(host, URI, None, state="present", wishes=[{"domains": []}], allow_empty=True)
    assert (done["changed"], done["domains"]) == (False, {})


def test_a_record_that_is_damaged(connection: t.Any, host: LocalHost) -> None:
    record = Path(tune(host, "db-1")["domains"]["db-1"]["backup"]).with_suffix(".json")
    whole = record.read_text()
    for text in (whole[:40], "[]", '{"version": 7}', whole.replace('"cpus"', '"pus"')):
        record.write_text(text)
        with pytest.raises(GoldsmithError, match=r"is damaged|is no record"):
            restore(host, "db-1")
    found = audit(host, domains=["db-1"], backup_dir=f"{host.tmpdir}/backups")["db-1"]
    assert found["records"] == "unavailable" and "is no record" in found["records_reason"]


def test_drift_knows_all_changes_that_are_recorded(connection: t.Any, host: LocalHost) -> None:
    tune(host, "db-1")
    tune(host, "db-1", tuning="memory_backing: {hard_limit: 17G}")
    assert drift(host) == {}
    text = definition(connection, "db-1").replace("cache='none'", "").replace("<nosharepages/>", "")
    connection.defineXML(text)
    assert drift(host).keys() == {"disks.vda.cache", "memory_backing.nosharepages"}
    tune(host, "db-1")
    assert drift(host) == {}
    restore(host, "db-1")
    assert drift(host) == {}
    found = audit(host, domains=["db-1", "db-2"], backup_dir=f"{host.tmpdir}/backups")
    assert [found[name]["records"] for name in ("db-1", "db-2")] == [4, 0]
    assert Path(found["db-1"]["backup"]).exists() and found["db-2"]["backup"] is None
