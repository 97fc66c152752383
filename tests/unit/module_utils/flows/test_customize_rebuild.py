# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building the same fingerprint anew, and where a build works and leaves its log."""

from __future__ import annotations

import json
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.age import format_time, now
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError, StepError, StoreError
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.held import held_files
from ansible_collections.goldsmith.kvm.plugins.module_utils.store import golden
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layers import build_directories, workdir
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.flows.building import Result, ScribblingEngine, Workshop

STAMPED = re.compile(r"web-20260905-[0-9a-f]{8}-20[0-9]{6}t[0-9]{6}z\.qcow2")


def made_before(result: Result, **age: float) -> None:
    """Let the image be so old."""
    record = Path(result["record"])
    document = json.loads(record.read_text())
    record.write_text(json.dumps({**document, "created": format_time(now() - timedelta(**age))}))


def test_an_image_that_is_too_old_is_built_anew(workshop: Workshop, engine: ScribblingEngine) -> None:
    first = workshop.customize(max_age="7d")
    made_before(first, days=6, hours=23)
    assert not workshop.customize(max_age="7d")["changed"]
    made_before(first, days=7, minutes=1)
    assert not workshop.customize()["changed"]
    before = workshop.files()
    predicted = workshop.customize(max_age="7d", check_mode=True)
    assert workshop.files() == before
    assert predicted["changed"]
    assert predicted["reason"] == ["max_age"]
    assert predicted["msg"] == "web would be built: the image is older than max_age"
    assert (predicted["image"]["path"], predicted["record"], predicted["image"]["digest"]) == (None, None, None)
    assert predicted["fingerprint"] == first["fingerprint"]
    assert predicted["diff"]["after"]["current"] == "(not known before it is built)"
    assert not any(step["changed"] for step in predicted["steps"])

    rebuilt = workshop.customize(max_age="7d")
    assert rebuilt["changed"]
    assert rebuilt["fingerprint"] == first["fingerprint"]
    assert STAMPED.fullmatch(Path(rebuilt["image"]["path"]).name)
    assert workshop.link.resolve() == Path(rebuilt["image"]["path"])
    assert Path(first["image"]["path"]).exists()
    for options in ({}, {"max_age": "7d"}):
        for check_mode in (True, False):
            again = workshop.customize(check_mode=check_mode, **options)
            assert not again["changed"]
            assert again["image"] == rebuilt["image"]
    assert len(engine.builds) == 2


def test_force_builds_every_time(workshop: Workshop, engine: ScribblingEngine) -> None:
    predicted = workshop.customize(force=True, check_mode=True)
    first = workshop.customize(force=True)
    assert predicted["image"]["path"] == first["image"]["path"]
    assert first["reason"] == ["no image yet", "force"]
    results = [first, *(workshop.customize(force=True) for dummy in range(2))]
    assert results[1]["reason"] == ["force"]
    assert workshop.customize(force=True, check_mode=True)["changed"]
    paths = [Path(result["image"]["path"]) for result in results]
    assert len(set(paths)) == 3
    assert all(path.exists() for path in paths)
    assert workshop.link.resolve() == paths[-1]
    assert workshop.customize()["image"]["path"] == str(paths[-1])


def test_two_forced_runs_at_once_build_two_images(workshop: Workshop, engine: ScribblingEngine) -> None:
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda dummy: workshop.customize(force=True), range(2)))
    assert len({result["image"]["path"] for result in results}) == 2
    assert len(engine.builds) == 2


def test_two_runs_at_once_build_one_image_in_place_of_an_old_one(workshop: Workshop, engine: ScribblingEngine) -> None:
    made_before(workshop.customize(), days=1)
    engine.seconds = 0.3
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda dummy: workshop.customize(max_age="1h"), range(2)))
    assert sorted(result["changed"] for result in results) == [False, True]
    assert results[0]["image"] == results[1]["image"]


def test_the_newest_counts_and_the_link_returns_to_it(workshop: Workshop, engine: ScribblingEngine) -> None:
    first, second = workshop.customize(), workshop.customize(force=True)
    workshop.link.unlink()
    workshop.link.symlink_to(Path(first["image"]["path"]).name)
    result = workshop.customize()
    assert (result["changed"], result["reason"]) == (True, ["link"])
    assert workshop.link.resolve() == Path(second["image"]["path"])
    assert result["msg"].startswith("web now leads to web-20260905-")
    # When the newest is gone, the one before is the newest.
    Path(second["image"]["path"]).unlink()
    assert workshop.customize()["image"]["path"] == first["image"]["path"]
    assert len(engine.builds) == 2


@pytest.mark.parametrize("created", ["", "yesterday", "2024"])
def test_an_image_of_unknown_age_is_too_old(workshop: Workshop, engine: ScribblingEngine, created: str) -> None:
    record = Path(workshop.customize()["record"])
    record.write_text(json.dumps({**json.loads(record.read_text()), "created": created}))
    assert workshop.customize(max_age="52w", check_mode=True)["reason"] == ["max_age"]


def test_an_age_is_refused_by_its_option(workshop: Workshop, engine: ScribblingEngine) -> None:
    with pytest.raises(BadRequestError, match=r"max_age: 'weekly' is not an age\. Write a whole number with w, d, h"):
        workshop.customize(max_age="weekly")


def test_the_log_of_a_build_is_kept_beside_the_image(workshop: Workshop, engine: ScribblingEngine) -> None:
    predicted = workshop.customize(check_mode=True)
    result = workshop.customize()
    log = Path(result["log"])
    assert predicted["log"] == result["log"] == result["image"]["path"] + ".log"
    assert log.read_text() == "done\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_the_log_of_a_failed_build_is_kept_in_the_store(workshop: Workshop, engine: ScribblingEngine) -> None:
    with pytest.raises(StepError) as caught:
        workshop.customize("fail")
    (kept,) = (workshop.store / "logs").iterdir()
    assert re.fullmatch(r"web-[0-9a-f]{8}\.log", kept.name)
    assert str(caught.value).endswith(f"Tell it otherwise. All that the steps printed is in {kept} on the build host.")
    assert caught.value.details["log"] == str(kept)
    assert kept.read_text() == "what was printed\n"
    assert (stat.S_IMODE(kept.stat().st_mode), stat.S_IMODE(kept.parent.stat().st_mode)) == (0o600, 0o700)
    elsewhere = str(workshop.golden / "elsewhere")
    with pytest.raises(StepError):
        workshop.customize("fail", dest_dir=elsewhere)
    assert len(os.listdir(kept.parent)) == 2
    seen: list[bool] = []
    engine.at_work = lambda: seen.append(kept.exists())
    workshop.customize()
    assert seen == [False]
    assert kept.name not in os.listdir(kept.parent)
    assert len(os.listdir(kept.parent)) == 1


def test_the_same_bytes_under_another_serial_are_the_same_image(workshop: Workshop, engine: ScribblingEngine) -> None:
    def base(serial: str) -> dict[str, str]:
        return {"path": str(workshop.base), "serial": serial}

    # An image of the same recipe whose name begins alike is another's.
    workshop.customize(name="web-20260906")
    first = workshop.customize(base=base("20260905"))
    again = workshop.customize(base=base("20260907_1"))
    assert (again["changed"], again["image"]) == (False, first["image"])
    assert len(engine.builds) == 2
    forced = workshop.customize(base=base("20260907_1"), force=True)
    assert "web-20260907-1-" in forced["image"]["path"]
    assert workshop.customize(base=base("20260905"))["image"] == forced["image"]
    # A damaged record of another serial stands in nobody's way.
    Path(forced["record"]).write_text("{")
    assert workshop.customize(base=base("20260905"))["image"] == first["image"]


def test_the_newest_stays_the_newest_when_the_clock_is_set_back(workshop: Workshop, engine: ScribblingEngine) -> None:
    made_before(workshop.customize(), days=-1)
    forced = workshop.customize(force=True)
    assert workshop.customize()["image"] == forced["image"]
    assert workshop.link.resolve() == Path(forced["image"]["path"])


def test_what_another_store_publishes_meanwhile_keeps_its_record(
    workshop: Workshop, engine: ScribblingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_name = golden._give_name

    def be_late(temporary: str, path: str) -> None:
        Path(path).write_bytes(b"the other's")
        give_name(temporary, path)

    monkeypatch.setattr(golden, "_give_name", be_late)
    with pytest.raises(StoreError, match="was published during this build by a run with another store"):
        workshop.customize()
    (image,) = workshop.golden.glob("web-*.qcow2")
    assert workshop.visible() == sorted([image.name, f"{image.name}.json", f"{image.name}.log"])


def test_a_build_works_where_it_is_told_to(workshop: Workshop, engine: ScribblingEngine, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    with pytest.raises(StoreError, match=r"elsewhere cannot be used: No such file or directory"):
        workshop.customize(workdir=str(elsewhere))
    elsewhere.mkdir()
    layout = Layout(str(workshop.store))
    held: list[bool] = []

    def look() -> None:
        (directory,) = elsewhere.iterdir()
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert Path(engine.builds[-1].disk).parent == Path(engine.builds[-1].workdir) == directory
        found = held_files(workshop.host, layout, str(tmp_path))
        held.append(str(workshop.base) in found.by_path)

    engine.at_work = look
    assert workshop.customize(workdir=str(elsewhere))["changed"]
    assert held == [True]
    assert os.listdir(elsewhere) == os.listdir(layout.layers) == []


def test_what_a_killed_build_left_elsewhere_is_removed(workshop: Workshop, tmp_path: Path) -> None:
    layout = Layout(str(workshop.store))
    layout.ensure()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "not ours").write_text("")
    abandoned = workshop.store / "layers" / "build-abandoned"
    abandoned.mkdir()
    (elsewhere / abandoned.name).mkdir()
    (abandoned / "elsewhere").symlink_to(elsewhere / abandoned.name)
    with workdir(layout) as directory:
        assert build_directories(layout) == [directory]
    assert os.listdir(elsewhere) == ["not ours"]
