# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for any domain and any wishes: twice is once, what is not named stays, later wins."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.domain import registry
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.document import Document
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.model import DomainPlan
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.plan import plan_domain

from .sample import UUID, found, host, xml

GOLDEN = st.sampled_from(
    [
        *("pins", "unpin", "disks", "memory_backing", "memory_backing_taken_back", "balloon", "running"),
        *("bandwidth", "iothreads_fewer", "numa_running", "cpu", "interfaces"),
    ]
)
CPUS = st.one_of(
    st.just("unpinned"),
    st.frozensets(st.integers(0, 9), min_size=1).map(lambda cpus: ",".join(map(str, sorted(cpus)))),
)


def some(**options: st.SearchStrategy[t.Any]) -> st.SearchStrategy[dict[str, t.Any]]:
    """A dictionary of all the options, of which some are left out, as the module gets it."""
    return st.fixed_dictionaries({name: st.one_of(st.none(), values) for name, values in options.items()})


def pins(key: str) -> st.SearchStrategy[list[dict[str, str]]]:
    pin = st.fixed_dictionaries({key: st.integers(0, 3).map(str), "cpuset": CPUS})
    return st.lists(pin, max_size=3, unique_by=lambda entry: entry[key])


FIFO = st.fixed_dictionaries({"scheduler": st.just("fifo"), "priority": st.integers(1, 99)})
BATCH = st.just({"scheduler": "batch", "priority": None})
SCHEDULERS = st.lists(
    st.builds(
        lambda vcpus, scheduler: {"vcpus": vcpus, **scheduler},
        st.sampled_from(["0", "1", "2"]),
        st.one_of(FIFO, BATCH, st.just({"scheduler": "default", "priority": None})),
    ),
    max_size=2,
    unique_by=lambda entry: entry["vcpus"],
)

MODES = st.sampled_from(["host-passthrough", "host-model", "maximum", "custom"])
CPU = st.builds(
    lambda mode, model, others: {"mode": mode, "model": model if mode == "custom" else None, **others},
    MODES,
    st.sampled_from(["qemu64", "Haswell"]),
    some(
        topology=st.sampled_from([{}, {"cores": 2}, {"sockets": 2}, {"cores": 4}]),
        cache=st.sampled_from(["default", "passthrough", "emulate"]),
        features=st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["pcid", "x2apic"]), "policy": st.sampled_from(["default", "require"])}
            ),
            max_size=2,
            unique_by=lambda entry: entry["name"],
        ),
    ),
)

WISH = st.fixed_dictionaries(
    {
        "domains": st.sampled_from([["db-1"], ["*"], [UUID], ["web-1"]]),
        "cputune": some(
            vcpupin=pins("vcpu"),
            emulatorpin=CPUS,
            iothreadpin=pins("iothread"),
            vcpusched=SCHEDULERS,
            emulatorsched=FIFO,
            shares=st.sampled_from(["default", "1", "512"]),
            quota=st.sampled_from(["default", "1000", "20000"]),
        ),
        # None goes: what is said of one goes with it.
        "iothreads": st.one_of(st.none(), st.integers(2, 4)),
        "numa": some(
            memory=some(
                mode=st.sampled_from(["strict", "preferred", "restrictive"]),
                nodeset=st.sampled_from(["default", "0", "0-1", "2"]),
            ),
            cells=st.sampled_from([[], [{"cpus": "0-1", "memory": "1G"}], [{"cpus": "0", "memory": "1G"}]]),
        ),
        "cpu": st.one_of(st.none(), CPU),
        "clock": some(
            timers=st.lists(
                st.fixed_dictionaries(
                    {"name": st.sampled_from(["rtc", "hpet"]), "present": st.sampled_from(["default", "yes", "no"])}
                ),
                max_size=2,
                unique_by=lambda entry: entry["name"],
            )
        ),
        "interfaces": st.lists(
            st.fixed_dictionaries(
                {
                    "match": st.sampled_from([{"all": True}, {"model": "virtio"}, {"mac": "52:54:00:00:00:09"}]),
                    "driver": st.sampled_from(["default", "vhost"]),
                    "queues": st.sampled_from(["default", "2"]),
                }
            ),
            max_size=2,
            unique_by=lambda entry: str(entry["match"]),
        ),
        "memory_backing": some(
            locked=st.booleans(),
            hard_limit=st.sampled_from(["auto", "none", "4G", "3000M", "1023"]),
            hugepages=st.sampled_from(["none", "default", "2M", "1G"]).map(lambda size: {"size": size}),
            source=st.sampled_from(["default", "memfd", "file"]),
            access=st.sampled_from(["default", "shared"]),
            nosharepages=st.booleans(),
            discard=st.booleans(),
        ),
        "balloon": some(
            model=st.sampled_from(["virtio", "none"]),
            autodeflate=st.sampled_from(["default", "on", "off"]),
            stats_period=st.sampled_from(["none", "5", "10"]),
        ),
        "disks": st.lists(
            st.builds(
                lambda match, cache, values: {"match": match, "cache": cache, **values},
                st.sampled_from([{"bus": "virtio"}, {"target": "vda"}, {"target": "vdc"}, {"all": True}]),
                st.sampled_from(["default", "none", "writeback", "directsync"]),
                some(io=st.sampled_from(["default", "native"]), iothread=st.sampled_from(["none", "1", "9"])),
            ),
            max_size=2,
            unique_by=lambda entry: str(entry["match"]),
        ),
    }
)
WISHES = st.lists(WISH, min_size=1, max_size=3)
FEW = settings(max_examples=40, deadline=None)


def planned(text: str, wishes: list[dict[str, t.Any]], live: str | None = None) -> DomainPlan:
    return plan_domain(found(text, live), wishes, host())


def written(plan: DomainPlan, text: str) -> str:
    return text if plan.document is None else plan.document.text()


@FEW
@given(GOLDEN, WISHES)
def test_applied_twice_changes_nothing(case: str, wishes: list[dict[str, t.Any]]) -> None:
    first = planned(xml(case), wishes)
    after = written(first, xml(case))
    second = planned(after, wishes)
    assert not second.changed
    assert {change.knob for change in second.refused} == {change.knob for change in first.refused}


@FEW
@given(GOLDEN, WISHES)
def test_what_no_wish_names_stays(case: str, wishes: list[dict[str, t.Any]]) -> None:
    """Every knob that is not named, and the document itself, once all that is named is put back."""
    plan = planned(xml(case), wishes)
    before, after = Document.parse(xml(case)), Document.parse(written(plan, xml(case)))
    named = {change.knob for change in plan.changes if change.changed}
    # With the balloon goes what is said of it.
    kept = {knob for knob in registry.read(before) if knob not in named}
    if "balloon.model" in named:
        kept = {knob for knob in kept if not knob.startswith("balloon.")}
    if "numa.memory.nodeset" in named:
        kept.discard("numa.memory.mode")
    old, new = registry.read(before), registry.read(after, kept)
    assert {knob: new[knob] for knob in kept} == {knob: old[knob] for knob in kept}
    for knob, place in registry.places(before, named).items():
        if not knob.startswith("balloon."):
            place.write(after, place.read(before))
    assert untouched(after) == untouched(before)


def untouched(document: Document) -> list[tuple[object, ...]]:
    """Every element with its attributes and text, but the balloon, blanks between elements, and the order."""
    copy = document.copy()
    copy.remove("devices", "memballoon")
    cpu = copy.find("cpu")
    for name in ("match", "check", "migratable") if cpu is not None else ():
        # They belong to the mode, and libvirt writes them.
        cpu.attrib.pop(name, None)
    found = []
    for element in copy.root.iter():
        tags = [element.tag, *(parent.tag for parent in element.iterancestors())]
        # A limit has been rewritten in another unit.
        if "hard_limit" not in tags and "metadata" not in tags:
            found.append((*map(str, tags), str(sorted(element.attrib.items())), (element.text or "").strip()))
    return sorted(found)


@FEW
@given(GOLDEN, WISHES)
def test_the_plan_tells_what_the_definition_becomes(case: str, wishes: list[dict[str, t.Any]]) -> None:
    plan = planned(xml(case), wishes)
    named = [change.knob for change in plan.changes]
    values = registry.read(Document.parse(written(plan, xml(case))), named)
    for change in plan.changes:
        if change.persistent is not None:
            assert values[change.knob] == change.persistent.after
            assert change.status == "refused" or change.persistent.after == change.wished or "hard_limit" in change.knob
    assert plan.changed == (plan.document is not None)


@FEW
@given(GOLDEN, WISHES)
def test_later_wishes_win(case: str, wishes: list[dict[str, t.Any]]) -> None:
    """Knobs that only the earlier wishes name are as without the last one, unless a check looks at several."""
    last = {**wishes[-1], "domains": ["db-1"]}
    if (last.get("memory_backing") or {}).get("hard_limit") == "auto":
        # What that comes to depends on the iothreads that earlier wishes ask for.
        last["memory_backing"] = {**last["memory_backing"], "hard_limit": None}
    alone = {change.knob: change.wished for change in planned(xml(case), [last]).changes}
    together = {change.knob: change.wished for change in planned(xml(case), [*wishes, last]).changes}
    assert {knob: together[knob] for knob in alone} == alone


@FEW
@given(GOLDEN, WISHES)
def test_a_running_domain_gets_what_it_can_and_waits_for_the_rest(case: str, wishes: list[dict[str, t.Any]]) -> None:
    plan = planned(xml(case), wishes, xml(case))
    for change in plan.changes:
        if change.status == "pending_restart":
            assert change.call is None and change.live is not None and not change.live.differs
        if change.status == "applied_live":
            assert change.call is not None and change.live is not None and change.live.after == change.wished
        if change.status == "already":
            assert not change.changed


@pytest.mark.parametrize("case", ["pins", "memory_backing_taken_back"])
def test_the_order_of_wishes_for_different_knobs_does_not_matter(case: str) -> None:
    wishes: list[dict[str, t.Any]] = [
        {"domains": ["db-1"], "memory_backing": {"hard_limit": "4G"}},
        {"domains": ["db-1"], "cputune": {"emulatorpin": "0"}},
        {"domains": ["db-1"], "memory_backing": {"locked": True, "access": "shared"}},
    ]
    texts = {written(planned(xml(case), order), xml(case)) for order in (wishes, wishes[::-1])}
    assert len(texts) == 1
