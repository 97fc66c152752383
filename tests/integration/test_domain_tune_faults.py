# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""domain_tune where the host, libvirt or somebody else is in the way."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import libvirt
import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows import domain_commit
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt import live
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.bindings import in_our_words
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.tuning import audited, restored, tuned

from .hypervisor import Hypervisor, affinities
from .plays import NOBODY, run_tasks

MODULE = "goldsmith.kvm.domain_tune"
INACTIVE = libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE
FIRST = str(min(os.sched_getaffinity(0)))
NO_BALLOON = "balloon: {model: none}"


def tune(host: LocalHost, kvm: Hypervisor, tuning: str, *domains: str, **options: t.Any) -> dict[str, t.Any]:
    return tuned(host, kvm.uri, list(domains or ["db-1"]), tuning, **options)


def test_what_could_not_start_is_refused(kvm: Hypervisor, host: LocalHost) -> None:
    """Each of these libvirt takes without a word. Not one of them is written, nor what was asked besides."""
    domain = kvm.define("db-1")
    before = domain.XMLDesc(INACTIVE)
    asked = f"""
    cputune: {{vcpupin: [{{vcpu: "0", cpuset: "{FIRST},4000"}}, {{vcpu: "5", cpuset: "0"}}]}}
    memory_backing: {{hugepages: {{size: 16G}}, hard_limit: 16M}}
    disks: [{{match: {{target: vda}}, io: native, iothread: 9}}]
    balloon: {{model: none}}
    """
    with pytest.raises(GoldsmithError, match="6 wishes cannot be fulfilled") as raised:
        tune(host, kvm, asked)
    for told in ("no CPU 4000", "no vCPU 5", "no pages of 16 GiB", "less than the guest's memory", "needs O_DIRECT"):
        assert told in raised.value.cause
    assert "there is no iothread 9: the domain has 1" in raised.value.cause
    assert domain.XMLDesc(INACTIVE) == before
    done = tune(host, kvm, asked, on_refused="warn")
    knobs = done["domains"]["db-1"]["knobs"]
    assert [knob["knob"] for knob in knobs if knob["status"] == "applied"] == ["balloon.model"]
    domain.create()


def test_a_disk_on_a_file_system_without_direct_io(kvm: Hypervisor, host: LocalHost) -> None:
    """/proc is one on every kernel."""
    domain = kvm.define("db-1")
    text = re.sub("<source file='[^']*'", "<source file='/proc/version'", domain.XMLDesc(INACTIVE))
    kvm.connection.defineXML(text)
    with pytest.raises(GoldsmithError, match="/proc/version cannot be opened with O_DIRECT"):
        tune(host, kvm, "disks: [{match: {all: true}, cache: none}]")


def test_a_failure_takes_back_what_was_done_to_every_domain(
    kvm: Hypervisor, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second domain's pin fails, after the first has been defined anew and pinned, live."""
    domains = [kvm.define(name) for name in ("db-1", "db-2")]
    for domain in domains:
        domain.create()
    before = [(domain.XMLDesc(INACTIVE), affinities(domain)) for domain in domains]
    pin = live.call

    def pin_one(name: str, handle: t.Any, index: int, value: t.Any) -> None:
        if handle.name() == "db-2":
            handle.pinVcpu(99, (True,))
        pin(name, handle, index, value)

    monkeypatch.setattr(live, "call", pin_one)
    with pytest.raises(libvirt.libvirtError):
        tune(host, kvm, f"cputune: {{vcpupin: [{{vcpu: all, cpuset: '{FIRST}'}}]}}\n{NO_BALLOON}", "db-*")
    assert [(domain.XMLDesc(INACTIVE), affinities(domain)) for domain in domains] == before


@pytest.mark.parametrize("undefine", [False, True])
def test_what_somebody_else_has_done_since_is_not_taken_back(
    kvm: Hypervisor, host: LocalHost, monkeypatch: pytest.MonkeyPatch, undefine: bool
) -> None:
    """The second domain's call fails, after somebody has defined the first one anew, or undefined it."""
    first, second = (kvm.define(name) for name in ("db-1", "db-2"))
    second.create()
    pin = live.call

    def pin_late(name: str, handle: t.Any, index: int, value: t.Any) -> None:
        text = first.XMLDesc(INACTIVE)
        if undefine:
            first.undefine()
        else:
            kvm.connection.defineXML(text.replace("<name>", "<title>theirs</title><name>", 1))
        handle.pinVcpu(99, (True,))
        pin(name, handle, index, value)

    monkeypatch.setattr(live, "call", lambda *given: in_our_words_of(pin_late, *given))
    with pytest.raises(GoldsmithError, match="Not all could be taken back: db-1: ") as raised:
        tune(host, kvm, f"cputune: {{vcpupin: [{{vcpu: '0', cpuset: '{FIRST}'}}]}}\n{NO_BALLOON}", "db-*")
    assert (raised.value.details["not_taken_back"], raised.value.details["changed"]) == (["db-1"], True)
    assert "vcpupin" not in second.XMLDesc(INACTIVE)
    there = {domain.name() for domain in kvm.connection.listAllDomains()}
    assert there == ({"db-2"} if undefine else {"db-1", "db-2"})
    if not undefine:
        assert "<title>theirs</title>" in first.XMLDesc(INACTIVE)
    # Of the one that is still changed there is a record.
    kept = sorted(path.parent.name for path in Path(host.tmpdir, "backups").glob("*/*.json"))
    assert kept == [first.UUIDString()]


def in_our_words_of(work: t.Callable[..., None], *given: t.Any) -> None:
    with in_our_words("db-2 could not be changed"):
        work(*given)


def test_iothreads_that_went_come_back_with_their_numbers_and_pins(kvm: Hypervisor) -> None:
    ids = "<iothreadids><iothread id='1'/><iothread id='7'/></iothreadids>"
    domain = kvm.connection.defineXML(
        kvm.xml("db-1").replace("<iothreads>1</iothreads>", f"<iothreads>2</iothreads>{ids}")
    )
    domain.create()
    first = tuple(cpu == int(FIRST) for cpu in range(kvm.connection.getInfo()[2]))
    domain.pinIOThread(7, first, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def threads() -> list[t.Any]:
        return sorted(domain.ioThreadInfo(libvirt.VIR_DOMAIN_AFFECT_LIVE))

    before = threads()
    undo = live.undoing("set_iothreads", domain, 0, 2)
    live.call("set_iothreads", domain, 0, 1)
    assert [thread[0] for thread in threads()] == [1]
    undo()
    assert threads() == before


def test_a_run_that_is_killed_half_way(kvm: Hypervisor, host: LocalHost) -> None:
    """After the first domain: only its change is recorded, and can be taken back."""
    domains = {name: kvm.define(name) for name in ("db-1", "db-2")}
    before = {name: domain.XMLDesc(INACTIVE) for name, domain in domains.items()}

    def run() -> None:
        define = domain_commit.redefine

        def define_one(connection: t.Any, domain: t.Any, *given: t.Any, **options: t.Any) -> None:
            if domain.name == "db-2":
                os.kill(os.getpid(), signal.SIGKILL)
            define(connection, domain, *given, **options)

        domain_commit.redefine = define_one
        tune(host, kvm, NO_BALLOON, "db-*")

    killed = multiprocessing.get_context("fork").Process(target=run)
    killed.start()
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    assert domains["db-1"].XMLDesc(INACTIVE) != before["db-1"] and domains["db-2"].XMLDesc(INACTIVE) == before["db-2"]
    told = audited(host, kvm.uri, domains=["db-*"], backup_dir=f"{host.tmpdir}/backups")
    assert {name: (domain["records"], domain["drift"]) for name, domain in told.items()} == {
        "db-1": (1, []),
        "db-2": (0, []),
    }
    with pytest.raises(GoldsmithError, match=r"no change is recorded in .* of db-2"):
        restored(host, kvm.uri, ["db-2"])
    # Once more: there is nothing to do for the first one, whose change is recorded for good.
    assert tune(host, kvm, NO_BALLOON, "db-1")["changed"] is False
    changed = domains["db-1"].XMLDesc(INACTIVE)
    kvm.connection.defineXML(before["db-1"])
    told = audited(host, kvm.uri, domains=["db-1"], backup_dir=f"{host.tmpdir}/backups")
    assert [drift.split(": ")[:2] for drift in told["db-1"]["drift"]] == [["balloon.model", "changed_by_hand"]]
    kvm.connection.defineXML(changed)
    assert restored(host, kvm.uri, ["db-1"])["changed"]
    assert {name: domain.XMLDesc(INACTIVE) for name, domain in domains.items()} == before


def test_two_runs_at_once_wait_for_each_other(kvm: Hypervisor, host: LocalHost) -> None:
    for name in ("db-1", "db-2"):
        kvm.define(name)
    failures: list[BaseException] = []

    def run(model: str) -> None:
        try:
            for dummy in range(5):
                tune(host, kvm, f"balloon: {{model: {model}}}", "db-*")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(model,)) for model in ("none", "virtio")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_transient_domain_is_not_made_persistent(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.connection.createXML(kvm.xml("db-1"))
    with pytest.raises(GoldsmithError, match="the domain is transient"):
        tune(host, kvm, NO_BALLOON)
    done = tune(host, kvm, f"cputune: {{emulatorpin: '{FIRST}'}}")
    assert [knob["status"] for knob in done["domains"]["db-1"]["knobs"]] == ["applied_live"]
    assert affinities(domain)["main"] == FIRST
    assert not domain.isPersistent()


def test_a_paused_domain(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    done = tune(host, kvm, f"cputune: {{vcpupin: [{{vcpu: '1', cpuset: '{FIRST}'}}]}}")
    assert done["domains"]["db-1"]["state"] == "paused"
    assert affinities(domain)["CPU 1/TCG"] == FIRST


def test_a_managed_save_image_is_warned_of(kvm: Hypervisor, host: LocalHost) -> None:
    domain = kvm.define("db-1")
    domain.create()
    domain.managedSave()
    tune(host, kvm, NO_BALLOON)
    assert any("managed save image" in warning for warning in host.warnings)
    domain.managedSaveRemove()


def test_libvirtd_restarted_in_between(kvm: Hypervisor, host: LocalHost) -> None:
    """Guests go on without it, and what waits for a restart still does."""
    kvm.define("db-1").create()
    tune(host, kvm, f"cputune: {{emulatorpin: '{FIRST}'}}\n{NO_BALLOON}")
    kvm.stop_daemon()
    with pytest.raises(GoldsmithError, match="libvirt's daemon does not run at"):
        tune(host, kvm, NO_BALLOON)
    kvm.start_daemon()
    again = tune(host, kvm, f"cputune: {{emulatorpin: '{FIRST}'}}\n{NO_BALLOON}")
    statuses = [knob["status"] for knob in again["domains"]["db-1"]["knobs"]]
    assert (again["changed"], statuses) == (False, ["already", "pending_restart"])


def test_names_that_are_not_there(kvm: Hypervisor, host: LocalHost) -> None:
    kvm.define("db-1")
    for selector in ("db", "web-*", "</name><memory>"):
        with pytest.raises(GoldsmithError, match="this hypervisor has: db-1"):
            tune(host, kvm, NO_BALLOON, selector)
    assert not tune(host, kvm, NO_BALLOON, "web-*", allow_empty=True)["changed"]


def test_no_right_to_use_the_socket(kvm: Hypervisor) -> None:
    kvm.define("db-1")
    wishes = [{"domains": ["db-1"], "balloon": {"model": "none"}}]
    task = {MODULE: {"uri": kvm.uri, "wishes": wishes}, **NOBODY}
    (result,) = run_tasks([{**task, "check_mode": True}], ignore_errors=True)
    assert result["failed"]
    assert "may not use libvirt at" in result["msg"] and "Use become: true" in result["msg"]


def bare_python(directory: Path) -> str:
    """A Python without libvirt, as controllers have in their virtualenvs."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True)
    return str(directory / "bin" / "python")


def test_a_python_without_libvirt_hands_over_to_the_system_s(kvm: Hypervisor, tmp_path: Path) -> None:
    kvm.define("db-1")
    wishes = [{"domains": ["db-1"], "balloon": {"model": "none"}}]
    task = {MODULE: {"uri": kvm.uri, "wishes": wishes, "backup_dir": str(tmp_path / "backups")}}
    python = {"ansible_python_interpreter": bare_python(tmp_path / "venv")}
    assert run_tasks([task], variables=python)[0]["changed"]


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_libvirt_in_no_python_at_all(tmp_path: Path) -> None:
    """In a mount namespace that hides the system's own bindings."""
    wrapper = tmp_path / "python"
    packages = "/usr/lib/python3/dist-packages"
    wrapper.write_text(
        f"#!/bin/sh\nexec unshare --mount sh -c 'mount -t tmpfs none {packages}; exec \"$@\"' sh "
        f'{bare_python(tmp_path / "venv")} "$@"\n'
    )
    wrapper.chmod(0o755)
    result = run_module_with(str(wrapper), wishes=[{"domains": ["x"], "balloon": {"model": "none"}}])
    assert result["failed"]
    assert "cannot import libvirt and lxml.etree" in result["msg"]
    assert "Install python3-libvirt python3-lxml on the target" in result["msg"]


def run_module_with(python: str, **options: t.Any) -> dict[str, t.Any]:
    variables = {"ansible_python_interpreter": python}
    return run_tasks([{MODULE: options}], ignore_errors=True, variables=variables)[0]


SENSELESS: list[tuple[dict[str, t.Any], str]] = [
    ({"cputune": {"emulatorpin": "3-1"}}, "wishes[0].cputune.emulatorpin is '3-1', and 3-1 runs backwards"),
    ({"cputune": {"emulatorpin": "0-999"}}, "or it is offline: online are"),
    ({"memory_backing": {"hard_limit": "-1G"}}, "which is not a size"),
    ({"memory_backing": {"hugepages": {"size": "99999E"}}}, "which no host has"),
    ({"disks": [{"match": {"target": "vda"}, "cache": "writefast"}]}, "must be one of: default, none, writeback"),
    ({"disks": [{"match": {"target": "vda"}, "cache": cache} for cache in ("none", "unsafe")]}, "one entry for each"),
    ({"cputune": {"vcpupin": [{"vcpu": "0", "cpuset": FIRST}] * 2}}, "names vCPU 0 twice"),
    ({"domains": ["<db-1>"]}, "there is no domain '<db-1>'"),
    ({"profile": "fast"}, "must be one of: database"),
]


def test_options_that_make_no_sense(kvm: Hypervisor, tmp_path: Path) -> None:
    domain = kvm.define("db-1")
    before = domain.XMLDesc(INACTIVE)
    options = {"uri": kvm.uri, "backup_dir": str(tmp_path / "backups")}
    tasks = [
        {MODULE: {**options, "wishes": [{"domains": ["db-1"], "balloon": {"model": "none"}, **asked}]}}
        for asked, dummy in SENSELESS
    ]
    for result, (asked, told) in zip(run_tasks(tasks, ignore_errors=True), SENSELESS):
        assert result["failed"], asked
        assert told in result["msg"]
    assert domain.XMLDesc(INACTIVE) == before
    assert {path.name for path in tmp_path.glob("backups/*")} <= {"lock"}
