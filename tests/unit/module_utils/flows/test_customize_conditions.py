# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that are meant for some bases only."""

from __future__ import annotations

import json
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.flows.building import ScribblingEngine, Workshop

ALWAYS = {"hostname": {"name": "golden"}}
DEBIAN = {"condition": {"distribution": ["debian"]}, "run_command": {"command": "debian"}}
NOBLE = {"name": "New", "condition": {"distribution": ["ubuntu"], "version": "24.04"}, "timezone": {"name": "UTC"}}
JAMMY = {"condition": {"version": "<24"}, "timezone": {"name": "Europe/Oslo"}}


def facts(workshop: Workshop, **given: str) -> dict[str, str]:
    return {"path": str(workshop.base), "serial": "1", **given}


@pytest.mark.parametrize(
    "given",
    [
        {"publisher": "ubuntu", "version": "24.04"},
        {"product": "com.ubuntu.cloud:server:24.04:amd64", "version": "24.04"},
    ],
)
def test_what_the_publisher_says_is_enough(workshop: Workshop, engine: ScribblingEngine, given: dict[str, str]) -> None:
    base = facts(workshop, **given)
    result = workshop.customize(base=base, steps=[DEBIAN, ALWAYS, NOBLE, JAMMY], check_mode=True)
    assert [step["skipped"] for step in result["steps"]] == [True, False, False, True]
    assert [step["changed"] for step in result["steps"]] == [False, True, True, False]
    assert [step["name"] for step in result["steps"]] == ["", "", "New", ""]
    assert [step["digest"] is None for step in result["steps"]] == [True, False, False, True]
    assert result["image"]["path"] == workshop.customize(base=base, steps=[ALWAYS, NOBLE])["image"]["path"]
    assert not workshop.customize(base=base, steps=[JAMMY, ALWAYS, NOBLE])["changed"]
    assert engine.looked == 0


def test_any_other_base_is_looked_into_once(workshop: Workshop, engine: ScribblingEngine) -> None:
    steps = [ALWAYS, DEBIAN, NOBLE]
    predicted = workshop.customize(steps=steps, check_mode=True)
    assert predicted["changed"]
    assert predicted["image"]["path"] is predicted["fingerprint"] is None
    assert predicted["diff"]["after"]["current"] == "(not known before the base is looked into)"
    assert "it is not known which system the base holds" in workshop.host.warnings[0]
    assert engine.looked == 0
    assert workshop.files() == {}

    built = workshop.customize(steps=steps)
    assert [step["skipped"] for step in built["steps"]] == [False, False, True]
    assert workshop.customize(steps=steps, check_mode=True)["image"] == built["image"]
    assert not workshop.customize(steps=[*steps, JAMMY], name="other")["steps"][3]["skipped"]
    assert engine.looked == 1


def test_two_runs_at_once_look_once(workshop: Workshop, engine: ScribblingEngine) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: workshop.customize(steps=[DEBIAN], name=name), ["a", "b"]))
    assert engine.looked == 1


def test_an_image_of_our_own_has_it_in_its_record(workshop: Workshop, engine: ScribblingEngine) -> None:
    own = workshop.customize("first")["image"]["current"]
    base = {"path": own}
    for check_mode in (True, False):
        result = workshop.customize(base=base, steps=[DEBIAN, NOBLE], name="second", check_mode=check_mode)
        assert [step["skipped"] for step in result["steps"]] == [False, True]
    assert engine.looked == 0


@pytest.mark.parametrize("damage", [None, "{", '{"os_release": {"ID": "ubuntu"}}'])
def test_a_record_that_says_nothing_of_this_image_does_not_count(
    workshop: Workshop, engine: ScribblingEngine, damage: str | None
) -> None:
    built = workshop.customize("first")
    record = Path(built["record"])
    if damage is None:
        document = json.loads(record.read_text())
        document["image"]["digest"] = f"sha256:{'0' * 64}"
        document["os_release"] = {"ID": "ubuntu", "VERSION_ID": "24.04"}
        damage = json.dumps(document)
    record.write_text(damage)
    result = workshop.customize(base={"path": built["image"]["path"]}, steps=[ALWAYS, DEBIAN], name="second")
    assert not result["steps"][1]["skipped"]
    assert engine.looked == 1


def test_a_base_without_a_name_is_refused(workshop: Workshop, engine: ScribblingEngine) -> None:
    engine.system = {"VERSION_ID": "1"}
    with pytest.raises(BadRequestError, match="does not say which system it holds: its os-release has no ID"):
        workshop.customize(steps=[DEBIAN])


def test_files_of_steps_for_others_are_not_asked_for(workshop: Workshop, engine: ScribblingEngine) -> None:
    upload: dict[str, t.Any] = {"upload": {"src": "a", "dest": "/a"}}
    remote = {"upload": {"src": "/absent", "remote_src": True, "dest": "/a"}}
    base = facts(workshop, publisher="ubuntu", version="24.04")
    absent = {"absent": {"2.upload.src": ["a was not found", "Put it there"]}}
    steps = [ALWAYS, {"condition": JAMMY["condition"], **upload}]
    told = workshop.customize(base=base, steps=steps, payloads=absent)
    assert told == {"changed": False, "payloads_missing": []}
    sent = {**absent, "directory": str(workshop.store)}
    assert workshop.customize(base=base, steps=steps, payloads=sent)["changed"]
    steps = [ALWAYS, {"condition": NOBLE["condition"], **upload}]
    with pytest.raises(BadRequestError, match=r"a was not found\. Put it there"):
        workshop.customize(base=base, steps=steps, payloads=absent)
    steps = [ALWAYS, {"condition": JAMMY["condition"], **remote}]
    assert workshop.customize(base=base, steps=steps)["changed"] is False


def test_check_mode_only_warns_of_a_missing_file_that_may_not_be_needed(
    workshop: Workshop, engine: ScribblingEngine
) -> None:
    sent: dict[str, t.Any] = {"upload": {"src": "a", "dest": "/a"}}
    own: dict[str, t.Any] = {
        "upload": {"src": "/absent", "remote_src": True, "dest": "/b", "secret": True, "in_image": True}
    }
    absent = {"absent": {"2.upload.src": ["a was not found", "Put it there"]}}
    steps = [ALWAYS, {"condition": JAMMY["condition"], **sent}, {"condition": NOBLE["condition"], **own}]
    jammy = [{**step, **({"condition": {"distribution": ["ubuntu"]}} if "condition" in step else {})} for step in steps]
    predicted = workshop.customize(steps=jammy, payloads=absent, check_mode=True)
    assert predicted["changed"]
    assert predicted["fingerprint"] is None
    assert "step 2 (upload) is meant for, the run fails: a was not found. Put it there" in workshop.host.warnings[1]
    assert "/absent" in workshop.host.warnings[2]
    assert workshop.customize(steps=jammy, payloads={**absent, "directory": str(workshop.store)})["changed"]
    # What every base needs is still refused.
    with pytest.raises(BadRequestError, match="a was not found"):
        workshop.customize(name="other", steps=[ALWAYS, sent, jammy[2]], payloads=absent, check_mode=True)
