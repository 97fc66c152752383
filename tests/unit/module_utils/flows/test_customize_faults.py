# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds that are interrupted, builds that meet, and disks that are full."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import StoreError
from ansible_collections.goldsmith.kvm.plugins.module_utils.disk import qemu_img
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows import customize_build
from ansible_collections.goldsmith.kvm.plugins.module_utils.store import golden
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layers import build_directories, is_in_use
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.flows.building import ScribblingEngine, Workshop
from ansible_collections.goldsmith.kvm.tests.unit.small_tmpfs import small_tmpfs


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_and_die(work: Callable[[], object]) -> None:
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL


def half_converted(*arguments: object, **options: object) -> None:
    Path(str(arguments[2])).write_bytes(b"half an image")
    die()


def die_before_replacing(suffix: str) -> Callable[[str, str], None]:
    replace = os.replace

    def die_or_replace(source: str, dest: str) -> None:
        if dest.endswith(suffix):
            die()
        replace(source, dest)

    return die_or_replace


@pytest.mark.parametrize("phase", ["launch", "compress", "record", "publish", "link"])
def test_a_killed_build_leaves_nothing_that_matters(
    workshop: Workshop, engine: ScribblingEngine, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    workshop.customize("old")
    old = workshop.link.resolve()
    with monkeypatch.context() as context:
        if phase == "launch":
            context.setattr(engine, "at_work", die)
        elif phase == "compress":
            context.setattr(qemu_img, "convert", half_converted)
        elif phase == "record":
            context.setattr(os, "replace", die_before_replacing(".qcow2.json"))
        elif phase == "publish":
            context.setattr(golden, "_give_name", lambda *_arguments: die())
        else:
            context.setattr(os, "replace", die_before_replacing("web.qcow2"))
        run_and_die(lambda: workshop.customize("new"))
    assert workshop.link.resolve() == old
    assert len(os.listdir(workshop.store / "layers")) == 1

    result = workshop.customize("new")
    assert result["changed"]
    assert workshop.link.resolve() == Path(result["image"]["path"])
    assert not [name for name in workshop.visible() if name.endswith(".tmp")]
    if phase != "link":
        assert os.listdir(workshop.store / "layers") == []
    assert not workshop.customize("new")["changed"]


def test_two_runs_at_once_build_one_image(workshop: Workshop, engine: ScribblingEngine) -> None:
    engine.seconds = 0.5
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda dummy: workshop.customize(), range(2)))
    assert sorted(result["changed"] for result in results) == [False, True]
    assert results[0]["image"] == results[1]["image"]
    assert len(engine.builds) == 1


def test_two_recipes_at_once_for_one_name(workshop: Workshop, engine: ScribblingEngine) -> None:
    engine.seconds = 0.2
    with ThreadPoolExecutor(2) as pool:
        one, other = (Path(result["image"]["path"]) for result in pool.map(workshop.customize, ["one", "other"]))
    assert workshop.visible() == sorted(
        ["web.qcow2", *(path.name + suffix for path in (one, other) for suffix in ("", ".json", ".log"))]
    )
    assert workshop.link.resolve() in (one, other)
    for command in ("one", "other"):
        workshop.customize(command)
    assert len(engine.builds) == 2


def test_a_build_can_be_seen_before_it_relies_on_its_base(
    workshop: Workshop, engine: ScribblingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By this image_store knows that it may not prune."""
    seen: list[bool] = []
    inspect = customize_build.inspect_base

    def look(*arguments: object) -> qemu_img.ImageInfo:
        seen.extend(is_in_use(directory) for directory in build_directories(Layout(str(workshop.store))))
        return inspect(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(customize_build, "inspect_base", look)
    workshop.customize()
    assert seen == [True]


def test_images_of_different_names_do_not_wait_for_each_other(workshop: Workshop, engine: ScribblingEngine) -> None:
    both = threading.Barrier(2)
    engine.at_work = lambda: both.wait(timeout=20) and None
    with ThreadPoolExecutor(2) as pool:
        assert all(result["changed"] for result in pool.map(lambda name: workshop.customize(name=name), ["a", "b"]))
    assert os.listdir(workshop.store / "layers") == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_tmpfs(tmp_path / "small", "1M") as directory:
        yield directory


@pytest.mark.parametrize(
    ("kilobytes", "launched", "said"),
    [
        (4096, False, r"The golden image needs .* in .*/small, and .* are free there"),
        (1200, True, r"no space left in .*/small for the golden image, which may need"),
    ],
)
def test_a_full_disk(
    workshop: Workshop, engine: ScribblingEngine, small_disk: Path, kilobytes: int, launched: bool, said: str
) -> None:
    random = workshop.base.with_suffix(".raw")
    random.write_bytes(b"\x55\xaa".rjust(512, b"\0") + os.urandom(kilobytes * 1024 - 512))
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", "-f", "raw", random, workshop.base], check=True)
    with pytest.raises(StoreError, match=said):
        workshop.customize("no space", dest_dir=str(small_disk))
    assert bool(engine.builds) == launched
    assert os.listdir(small_disk) == []
    assert os.listdir(workshop.store / "layers") == []


def test_runs_with_two_stores_never_replace_a_published_image(workshop: Workshop, engine: ScribblingEngine) -> None:
    built: list[dict[str, object]] = []

    def overtake() -> None:
        engine.at_work = lambda: None
        built.append(workshop.customize(store=str(workshop.store) + "-of-another"))

    engine.at_work = overtake
    with pytest.raises(StoreError, match="was published during this build by a run with another store"):
        workshop.customize()
    again = workshop.customize()
    assert not again["changed"]
    assert again["image"] == built[0]["image"]
    assert len(workshop.visible()) == 4


def test_a_directory_is_the_same_by_any_way(workshop: Workshop, engine: ScribblingEngine) -> None:
    workshop.golden.mkdir()
    by_link = workshop.golden.with_name("by-link")
    by_link.symlink_to(workshop.golden)
    engine.seconds = 0.5
    with ThreadPoolExecutor(2) as pool:
        ways = [str(workshop.golden), str(by_link)]
        results = list(pool.map(lambda way: workshop.customize(dest_dir=way), ways))
    assert sorted(result["changed"] for result in results) == [False, True]
    assert len(engine.builds) == 1
