# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for any wishes and any domains of libvirt's own test driver: check mode tells what the run then does."""

from __future__ import annotations

import tempfile
import typing as t
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain import registry
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.document import Document
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.model import shown
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.profiles import PROFILES
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.domain_tune import tune_argument_spec, tune_domains
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.bindings import libvirt
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.connection import connected
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.tuning import checked

from .driver import URI, XML, definition

pytestmark = pytest.mark.skipif(libvirt is None, reason="python3-libvirt is not installed")

NAMES = ("db-1", "db-2")


def some(**options: st.SearchStrategy[t.Any]) -> st.SearchStrategy[dict[str, t.Any]]:
    """A dictionary with some of the options."""
    return st.fixed_dictionaries({}, optional=options)


CPUS = st.sampled_from(["0", "2", "0,2", "0,2,4", "unpinned", "7"])
PINS = st.lists(
    st.fixed_dictionaries({"vcpu": st.sampled_from(["0", "1", "5"]), "cpuset": CPUS}),
    min_size=1,
    max_size=2,
    unique_by=lambda pin: pin["vcpu"],
)
CPU = st.builds(
    lambda mode, others: {**mode, **others},
    st.sampled_from([{}, {"mode": "host-model"}, {"mode": "maximum"}, {"mode": "custom", "model": "qemu64"}]),
    some(
        topology=st.sampled_from([{"cores": 2}, {"sockets": 2}, {"cores": 3}]),
        cache=st.sampled_from(["default", "passthrough"]),
        features=st.sampled_from(
            [
                [{"name": name, "policy": policy}]
                for name, policy in (("pcid", "default"), ("pcid", "require"), ("unheard-of", "optional"))
            ]
        ),
    ),
)
NUMA = some(
    memory=some(
        mode=st.sampled_from(["strict", "preferred", "restrictive"]), nodeset=st.sampled_from(["default", "0", "1"])
    ),
    cells=st.sampled_from([[], [{"cpus": "0-1", "memory": "64M"}], [{"cpus": "0", "memory": "64M"}]]),
)
CLOCK = some(timers=st.sampled_from([[{"name": "hpet", "present": present}] for present in ("default", "yes", "no")]))
WISH = st.fixed_dictionaries(
    {"domains": st.sampled_from([["db-1"], ["db-2"], ["db-*"]])},
    optional={
        "profile": st.sampled_from(sorted(PROFILES)),
        # The driver pins vCPUs alone while a domain runs.
        "cputune": some(vcpupin=PINS),
        "cpu": CPU,
        "numa": NUMA,
        "clock": CLOCK,
        "memory_backing": some(
            locked=st.booleans(),
            # No live call of the driver's sets a limit.
            hugepages=st.sampled_from(["none", "default", "2M"]).map(lambda size: {"size": size}),
            source=st.sampled_from(["default", "memfd"]),
            nosharepages=st.booleans(),
        ),
        "balloon": some(
            model=st.sampled_from(["virtio", "none"]), free_page_reporting=st.sampled_from(["default", "on", "off"])
        ),
        "disks": st.lists(
            st.fixed_dictionaries(
                {"match": st.sampled_from([{"bus": "virtio"}, {"target": "vda"}, {"target": "vdz"}])},
                optional={
                    "io": st.sampled_from(["default", "native"]),
                    "iothread": st.sampled_from(["none", "1", "9"]),
                },
            ).map(lambda disk: {"cache": "none", **disk}),
            max_size=2,
            unique_by=lambda disk: str(disk["match"]),
        ),
    },
)
CALL = st.fixed_dictionaries(
    {
        "wishes": st.lists(WISH, min_size=1, max_size=3),
        "restart": st.sampled_from(["never", "if_needed"]),
        "on_refused": st.sampled_from(["fail", "warn"]),
        "atomic": st.booleans(),
    }
)
RUNNING = st.sets(st.sampled_from(NAMES))
# The driver changes none of these while a domain runs.
THREADS = st.fixed_dictionaries(
    {"domains": st.sampled_from([["db-1"], ["db-*"]])},
    optional={
        "iothreads": st.integers(0, 3),
        "cputune": some(
            iothreadpin=st.builds(
                lambda thread, cpus: [{"iothread": thread, "cpuset": cpus}], st.sampled_from(["all", "1", "2"]), CPUS
            ),
            shares=st.sampled_from(["default", "512"]),
            quota=st.sampled_from(["default", "20000"]),
        ),
        "disks": st.sampled_from(["none", "1", "2"]).map(lambda name: [{"match": {"all": True}, "iothread": name}]),
    },
)
THREAD_CALLS = st.lists(st.lists(THREADS, min_size=1, max_size=2), min_size=1, max_size=3)


@pytest.fixture(name="calls", scope="module")
def fixture_calls() -> Iterator[tuple[t.Any, LocalHost]]:
    """Kept by one connection for all examples: the driver's state ends with the last of them."""
    with connected(URI) as connection, tempfile.TemporaryDirectory() as directory:
        yield connection, LocalHost(directory)
        remove(connection)


def remove(connection: t.Any) -> None:
    for domain in connection.listAllDomains():
        if domain.name() in NAMES:
            if domain.isActive():
                domain.destroy()
            domain.undefine()


def furnish(connection: t.Any, running: set[str]) -> None:
    remove(connection)
    for name in NAMES:
        domain = connection.defineXML(XML.format(name=name))
        if name in running:
            domain.create()


def outcome(host: LocalHost, call: dict[str, t.Any], *, check: bool) -> tuple[t.Any, ...]:
    """What a call returns, or why it fails."""
    host.warnings.clear()
    given_options = {"uri": URI, "backup_dir": f"{host.tmpdir}/backups", **call}
    try:
        result = tune_domains(host, checked(tune_argument_spec(), given_options), check)
    except GoldsmithError as error:
        return "failed", str(error), error.details, sorted(host.warnings)
    for domain in result["domains"].values():
        domain.pop("backup", None)
    return "done", result, sorted(host.warnings)


def state(connection: t.Any) -> dict[str, tuple[object, ...]]:
    """Of each domain both definitions, and whether it runs."""
    found = {}
    for name in NAMES:
        domain = connection.lookupByName(name)
        live = domain.XMLDesc(0) if domain.isActive() else None
        found[name] = (definition(connection, name), live, domain.isActive(), domain.ID())
    return found


def all_values(connection: t.Any) -> dict[str, t.Any]:
    """Every knob of each domain's definition."""
    return {name: registry.read(Document.parse(definition(connection, name))) for name in NAMES}


@settings(max_examples=40, deadline=None)
@given(CALL, RUNNING)
def test_check_tells_what_the_run_does(
    calls: tuple[t.Any, LocalHost], call: dict[str, t.Any], running: set[str]
) -> None:
    connection, host = calls
    furnish(connection, running)
    before = state(connection)
    announced = outcome(host, call, check=True)
    assert state(connection) == before
    done = outcome(host, call, check=False)
    assert done == announced
    if done[0] == "failed":
        assert state(connection) == before
        return
    for name, domain in done[1]["domains"].items():
        knobs = [knob["knob"] for knob in domain["knobs"]]
        values = registry.read(Document.parse(definition(connection, name)), knobs)
        for knob in domain["knobs"]:
            if knob["persistent"] is None:
                # Of what the domain does not have nothing is told.
                assert knob["status"] == "refused"
            else:
                assert shown(values.get(knob["knob"])) == knob["persistent"]["after"]
        if domain["restarted"]:
            assert not domain["restart_required"]
    # The diff has all that has changed, and nothing else.
    for name in NAMES:
        documents = [Document.parse(text) for text in (before[name][0], definition(connection, name))]
        named = {knob for document in documents for knob in registry.places(document)}
        was, now = (registry.read(document, named) for document in documents)
        changed = {knob for knob in named if was.get(knob) != now.get(knob)}
        for side, values in (("before", was), ("after", now)):
            told = done[1]["diff"][side].get(name, {}).get("persistent", {})
            assert told == {knob: shown(values.get(knob)) for knob in changed}
    # And once more there is nothing left to do.
    assert not outcome(host, call, check=True)[1]["changed"]


@settings(max_examples=20, deadline=None)
@given(CALL, RUNNING)
def test_what_is_undone_is_as_it_was(calls: tuple[t.Any, LocalHost], call: dict[str, t.Any], running: set[str]) -> None:
    connection, host = calls
    furnish(connection, running)
    before = all_values(connection)
    done = outcome(host, {**call, "on_refused": "warn"}, check=False)
    assert done[0] == "done", done
    changed = [name for name, domain in done[1]["domains"].items() if any(map(differs, domain["knobs"]))]
    undo = {"state": "restored", "domains": changed, "allow_empty": True, "restart": call["restart"]}
    announced = outcome(host, undo, check=True)
    assert outcome(host, undo, check=False) == announced
    assert announced[0] == "done", announced
    after = all_values(connection)
    assert after == before
    assert not outcome(host, undo, check=False)[1]["changed"]


@settings(max_examples=30, deadline=None)
@given(THREAD_CALLS)
def test_iothreads_come_back_with_what_went_with_them(
    calls: tuple[t.Any, LocalHost], changes: list[list[dict[str, t.Any]]]
) -> None:
    connection, host = calls
    furnish(connection, set())
    for wishes in changes:
        before = all_values(connection)
        call = {"wishes": wishes, "on_refused": "warn"}
        announced = outcome(host, call, check=True)
        done = outcome(host, call, check=False)
        assert done == announced and done[0] == "done", done
        assert not outcome(host, call, check=True)[1]["changed"]
        changed = [name for name, domain in done[1]["domains"].items() if any(map(differs, domain["knobs"]))]
        undo = {"state": "restored", "domains": changed, "allow_empty": True}
        told = outcome(host, undo, check=True)
        assert outcome(host, undo, check=False) == told and told[0] == "done", told
        after = all_values(connection)
        assert after == before
        # And from there on to the next one.
        assert outcome(host, call, check=False)[0] == "done"


def differs(knob: dict[str, t.Any]) -> bool:
    return knob["persistent"] is not None and knob["persistent"]["before"] != knob["persistent"]["after"]
