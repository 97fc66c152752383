# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_store prunes golden images: what goes, and what has to stay."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.golden import Golden
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.golden_prune import UNCHECKED
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layers import no_new_builds, workdir
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .fetching import Fetching, wait_for
from .plays import run_tasks
from .publishing import Foundry, reasons, removed


def killing_at(count: int) -> Callable[[str], None]:
    """In place of os.unlink: deletes a file less, and is killed."""
    unlink, calls = os.unlink, itertools.count(1)

    def killing(path: str) -> None:
        if next(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        unlink(path)

    return killing


@pytest.fixture(name="foundry")
def fixture_foundry(host: LocalHost, tmp_path: Path) -> Foundry:
    return Foundry(host, tmp_path)


def test_superseded_images_go_with_all_that_was_made_of_them(foundry: Foundry) -> None:
    first = foundry.publish("20260901", days=3, beside=("vmdk", "vmdk.sha256", "spdx.json"))
    second = foundry.publish("20260902", days=2, beside=("raw",))
    third = foundry.publish("20260903", days=1)
    Path(first.parent, f".{first.name}.json.abc.tmp").write_text("killed while it was written")
    stranger = foundry.golden / "notes.txt"
    stranger.write_text("mine")
    raw = Path(f"{str(second)[: -len('.qcow2')]}.raw")
    os.truncate(raw, 10 * 1024**3)

    before = sorted(foundry.golden.iterdir())
    predicted = foundry.prune(keep=1, check_mode=True)
    assert sorted(foundry.golden.iterdir()) == before
    result = foundry.prune(keep=1)

    assert result == predicted
    assert result["changed"] is True
    assert removed(result) == [first, second]
    assert [image["name"] for image in result["removed_golden"]] == ["web", "web"]
    assert result["kept_golden"] == []
    gone = set(before) - set(foundry.golden.iterdir())
    assert gone == {path for path in before if path.name.startswith(("web-20260901", "web-20260902", ".web-20260901"))}
    assert {Path(path) for image in result["removed_golden"] for path in image["files"]} == gone - {first, second}
    assert result["diff"]["after"] == {str(path): "absent" for path in gone}
    assert result["diff"]["before"] == {str(path): "present" for path in gone}
    # A hole takes no space.
    assert 0 < result["freed"] < 4 * 1024**2
    assert [image["path"] for image in result["golden_images"]] == [str(third)]
    assert foundry.golden.joinpath("web.qcow2").resolve() == third
    assert stranger.exists()
    # Nothing is left of them in the store.
    known = [path for path in (Path(foundry.layout.records)).rglob("*.json") if "2026090" in path.read_text()]
    assert {path.parent.name for path in known if third.name not in path.read_text()} == set()
    again = foundry.prune(keep=1)
    assert (again["changed"], again["diff"], again["freed"]) == (False, {"before": {}, "after": {}}, 0)
    assert again["golden_images"] == result["golden_images"]


def test_what_is_listed(foundry: Foundry) -> None:
    first, second = foundry.publish("20260901", days=2), foundry.publish("20260902", days=1)
    Path(f"{first}.json").write_text("{}")
    listed = foundry.manage(state="listed")["golden_images"]
    assert [image["path"] for image in listed] == [str(first), str(second)]
    assert [(image["name"], image["current"]) for image in listed] == [(None, False), ("web", True)]
    assert listed[0]["size"] == first.stat().st_size
    assert (listed[0]["created"], listed[0]["digest"]) == (None, None)
    with pytest.raises(BadRequestError, match="golden is given, but nothing is pruned with state: listed"):
        foundry.manage(state="listed", golden={"keep": 1})


def test_each_name_in_each_directory_by_itself(foundry: Foundry, tmp_path: Path) -> None:
    other = tmp_path / "other"
    images = {
        (name, directory.name): [
            foundry.publish(serial, name, days=days, directory=directory)
            for days, serial in ((2, "20260901"), (1, "20260902"))
        ]
        for name, directory in (("web", foundry.golden), ("web-db", foundry.golden), ("web", other))
    }
    oldest = {key: old for key, (old, dummy) in images.items()}
    alias = tmp_path / "alias"
    alias.symlink_to(other)

    # A name that begins with another is another.
    assert removed(foundry.prune(name="web", check_mode=True)) == [oldest["web", "golden"], oldest["web", "other"]]
    assert removed(foundry.prune(name="web-db", check_mode=True)) == [oldest["web-db", "golden"]]
    assert foundry.prune(name="we", check_mode=True)["changed"] is False
    assert foundry.prune(dest_dir=str(tmp_path / "nowhere"), check_mode=True)["changed"] is False
    found = removed(foundry.prune(dest_dir=str(alias), name="web", check_mode=True))
    assert found == [alias / oldest["web", "other"].name]
    assert len(removed(foundry.prune(check_mode=True))) == 3
    assert removed(foundry.prune(dest_dir=str(alias), name="web")) == found
    assert not oldest["web", "other"].exists()
    assert set(removed(foundry.prune())) == {oldest["web", "golden"], oldest["web-db", "golden"]}
    assert all(new.exists() for dummy, new in images.values())


def test_where_the_links_lead_stays(foundry: Foundry) -> None:
    first, second, third, fourth = (
        foundry.publish(f"2026090{number}", days=9 - number, beside=("vmdk",)) for number in (1, 2, 3, 4)
    )
    # Somebody went back, and somebody has a link of their own.
    Golden(str(foundry.golden), "web").point_to(str(second))
    (foundry.golden / "stable.vmdk").symlink_to(f"{first.stem}.vmdk")

    result = foundry.prune(keep=1)

    assert removed(result) == [third]
    assert reasons(result) == {
        first: [f"the link {foundry.golden}/stable.vmdk leads to {foundry.golden}/{first.stem}.vmdk"],
        second: [f"the link {foundry.golden}/web.qcow2 leads to it"],
    }
    assert fourth.exists()
    (foundry.golden / "stable.vmdk").unlink()
    assert removed(foundry.prune(keep=0)) == [first, fourth]
    assert second.exists()


def test_where_the_link_is_gone_or_no_link(foundry: Foundry) -> None:
    first, second, third = (foundry.publish(f"2026090{number}", days=9 - number) for number in (1, 2, 3))
    link = foundry.golden / "web.qcow2"
    link.unlink()
    link.write_text("a disk that somebody copied here")
    result = foundry.prune(keep=0)
    assert result["changed"] is False
    assert all("is not a link, so that" in reason for (reason,) in reasons(result).values())
    link.unlink()
    link.symlink_to("web-gone.qcow2")
    assert removed(foundry.prune(keep=0)) == [first, second]
    link.unlink()
    assert foundry.prune(keep=0)["changed"] is False
    assert third.exists()


@pytest.mark.parametrize(
    "where", ["etc", "run", "var/lib/libvirt/qemu/snapshot"], ids=["defined", "running", "snapshot"]
)
def test_what_is_in_a_domains_backing_chain_stays(foundry: Foundry, where: str) -> None:
    first, second = foundry.publish("20260901", days=3, beside=("vmdk",)), foundry.publish("20260902", days=2)
    foundry.publish("20260903")
    upper = foundry.overlay(foundry.overlay(first, "lower.qcow2"), "upper.qcow2")
    foundry.define(f"file='{upper}'", where=where)
    if "snapshot" in where:
        directory = foundry.root / where
        (directory / "libvirt/qemu").rename(directory / "db-1")

    result = foundry.prune(keep=0)

    assert removed(result) == [second]
    assert reasons(result)[first] == ["the domain db-1 uses it"]
    assert foundry.files(first) == [f"{first.stem}.{ending}" for ending in ("qcow2", "qcow2.json", "qcow2.log", "vmdk")]


def test_a_domain_on_a_converted_image_keeps_all(foundry: Foundry) -> None:
    first = foundry.publish("20260901", days=3, beside=("sha256",))
    foundry.publish("20260902")
    raw = first.with_suffix(".raw")
    subprocess.run(["qemu-img", "convert", "-O", "raw", first, raw], check=True)
    foundry.define(f"file='{raw}'", "raw")
    pool = foundry.root / "etc/libvirt/storage/golden.xml"
    pool.parent.mkdir(parents=True)
    pool.write_text(f"<pool type='dir'><name>golden</name><target><path>{foundry.golden}</path></target></pool>")

    assert reasons(foundry.prune()) == {first: [f"the domain db-1 uses {raw}"]}
    foundry.define(f"pool='golden' volume='{raw.name}'", "raw", kind="volume")
    assert reasons(foundry.prune()) == {first: [f"the domain db-1 uses {raw}"]}
    assert len(foundry.files(first)) == 5


def test_an_image_that_is_reached_by_another_name_stays(foundry: Foundry, tmp_path: Path) -> None:
    first = foundry.publish("20260901", days=3)
    foundry.publish("20260902")
    other = tmp_path / "another-name.qcow2"
    os.link(first, other)
    foundry.define(f"file='{foundry.overlay(other)}'")
    assert reasons(foundry.prune()) == {first: ["the domain db-1 uses it"]}


@pytest.mark.parametrize(
    ("source", "kind"),
    [("file='/nowhere/disk.qcow2'", "file"), ("pool='gone' volume='disk'", "volume"), ("file='<'", "file")],
    ids=["missing file", "unknown pool", "no XML"],
)
def test_nothing_goes_when_a_chain_cannot_be_read(foundry: Foundry, source: str, kind: str) -> None:
    first = foundry.publish("20260901", days=3)
    failed = foundry.fail("20260901", days=2)
    foundry.publish("20260902")
    foundry.define(source, kind=kind)
    for check_mode in (True, False):
        result = foundry.prune(check_mode=check_mode)
        assert (result["changed"], set(reasons(result))) == (False, {first, failed})
        assert all(reason.startswith("it may be in use by ") for reason in reasons(result)[first])
    assert any("no image is pruned, because it cannot be told" in warning for warning in foundry.host.warnings)


def test_nothing_is_asked_where_nothing_is_superseded(foundry: Foundry) -> None:
    foundry.publish("20260901")
    foundry.define("file='/nowhere/disk.qcow2'")
    assert foundry.prune(keep=0)["changed"] is False
    assert foundry.host.warnings == []


def test_a_build_on_an_image_keeps_it(foundry: Foundry) -> None:
    first = foundry.publish("20260901", days=3)
    foundry.publish("20260902")
    with workdir(foundry.layout) as directory:
        (reason,) = reasons(foundry.prune())[first]
        assert f"the build in {directory} has just begun" in reason
        argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", first, f"{directory}/disk.qcow2"]
        subprocess.run(argv, check=True)
        assert reasons(foundry.prune()) == {first: [f"the build in {directory} uses it"]}
    assert removed(foundry.prune()) == [first]


def test_a_name_that_is_being_built_is_left_for_the_next_time(foundry: Foundry) -> None:
    first, other = foundry.publish("20260901", days=3), foundry.publish("20260901", "db", days=3)
    for name in ("web", "db"):
        foundry.publish("20260902", name)
    with foundry.layout.lock(Golden(str(foundry.golden), "web").lock_name):
        predicted = foundry.prune(check_mode=True)
        result = foundry.prune()
        assert result == predicted
        assert removed(result) == [other]
        assert reasons(result) == {first: ["a build of web is under way"]}
    assert removed(foundry.prune()) == [first]


def test_no_build_publishes_between_looking_and_deleting(foundry: Foundry) -> None:
    first = foundry.publish("20260901", days=3)
    foundry.publish("20260902")
    lock_name = Golden(str(foundry.golden), "web").lock_name
    pruning = threading.Thread(target=foundry.prune)
    with no_new_builds(foundry.layout):
        pruning.start()
        wait_for(lambda: foundry.layout.is_locked(lock_name))
        assert first.exists()
    pruning.join()
    assert not first.exists()
    assert not foundry.layout.is_locked(lock_name)


def test_an_open_file_keeps_all(foundry: Foundry) -> None:
    first = foundry.publish("20260901", days=3, beside=("vmdk",))
    foundry.publish("20260902")
    with first.with_suffix(".vmdk").open() as opened:
        process = subprocess.Popen(["sleep", "60"], stdin=opened)
    try:
        said = f"process {process.pid} (sleep) has {first.with_suffix('.vmdk')} open"
        assert reasons(foundry.prune()) == {first: [said]}
    finally:
        process.kill()
        process.wait()
    assert removed(foundry.prune()) == [first]


def test_what_is_not_known_for_sure_stays(foundry: Foundry, tmp_path: Path) -> None:
    elsewhere = Layout(str(tmp_path / "other-store"))
    elsewhere.ensure()
    foreign = foundry.publish("20260901", days=9, layout=elsewhere)
    foundry.publish("20260901", "db", days=9, layout=elsewhere)
    written, linked, unrecorded, damaged, moved, undated = (
        foundry.publish(f"2026090{number}", days=9 - number) for number in (2, 3, 4, 5, 6, 7)
    )
    touched = foundry.publish("20260908", days=1)
    foundry.publish("20260909")
    written.chmod(0o644)
    subprocess.run(["qemu-io", "-c", "write -P 7 0 64k", written], check=True, stdout=subprocess.DEVNULL)
    linked.rename(tmp_path / "larger-disk.qcow2")
    linked.symlink_to(tmp_path / "larger-disk.qcow2")
    Path(f"{unrecorded}.json").unlink()
    Path(f"{damaged}.json").write_text("{")
    Path(f"{moved}.json").write_text(Path(f"{touched}.json").read_text().replace('"web"', '"db"'))
    Path(f"{undated}.json").write_text(Path(f"{undated}.json").read_text().replace('"created": "', '"created": "on '))
    os.utime(touched)

    result = foundry.prune(keep=1, name="web")

    # It has another time, but is what it was.
    assert removed(result) == [touched]
    said = reasons(result)
    assert said.pop(foreign) == ["this store has not published it"]
    assert said.pop(written)[0].startswith("it was changed after it was published: its digest was sha256:")
    assert said == {
        linked: [f"{linked} is a link, and no file"],
        unrecorded: [f"it has no build record {unrecorded}.json"],
        damaged: [said[damaged][0]],
        moved: [f"{moved}.json says that it is an image of the name db"],
        undated: [f"{undated}.json does not say when it was built"],
    }
    assert said[damaged][0].startswith(f"{damaged}.json is damaged: it is not JSON")


def test_failed_images(foundry: Foundry) -> None:
    older = foundry.fail("20260901", days=5)
    foundry.fail("20260901", "db", days=5, why=UNCHECKED)
    image = foundry.publish("20260902", days=3)

    predicted = foundry.prune(check_mode=True)
    result = foundry.prune()

    assert result == predicted
    assert result["removed_golden"] == []
    gone = [f"{older.parent}/{older.stem}.{ending}" for ending in ("console.log", "qcow2", "qcow2.json", "qcow2.log")]
    assert sorted(result["removed_leftovers"]) == gone
    assert result["freed"] > 0
    assert foundry.files(older) == []
    # Of each name, a build keeps one.
    newer = foundry.fail("20260903", days=2)
    assert foundry.prune(age="3d", name="web")["changed"] is False
    foundry.define(f"file='{foundry.overlay(newer)}'")
    assert reasons(foundry.prune(age="1d", name="web")) == {newer: ["the domain db-1 uses it"]}
    (foundry.root / "etc/libvirt/qemu/db-1.xml").unlink()
    assert len(foundry.prune(age="1d")["removed_leftovers"]) == 8
    assert sorted(path.name for path in foundry.golden.iterdir()) == [*foundry.files(image), "web.qcow2"]


def test_what_lies_beside_an_image_that_somebody_deleted(foundry: Foundry) -> None:
    """Its record and log go; what was made of it may be what they want to keep."""
    first, second = foundry.publish("20260901", days=3), foundry.publish("20260902", days=2, beside=("vmdk",))
    foundry.publish("20260903")
    for image in (first, second):
        image.unlink()
    predicted = foundry.prune(check_mode=True)
    result = foundry.prune()
    assert result == predicted
    assert result["removed_leftovers"] == [f"{first}.log", f"{first}.json"]
    assert len(foundry.files(second)) == 3
    assert foundry.prune()["changed"] is False


def test_the_base_goes_with_the_last_image_that_was_made_from_it(
    fetch: Fetching, foundry: Foundry, tmp_path: Path
) -> None:
    older, newer = (fetch(serial=serial)["image"] for serial in ("20260905", "20261010.1"))
    foundry.layout = Layout(str(fetch.store))
    first = foundry.publish("20260905", days=3, base_digest=older["digest"])
    foundry.publish("20261010.1", base_digest=newer["digest"])
    wish = {"keep": 1, "dest_dir": None, "name": None, "image": None}
    assert foundry.manage(state="pruned", keep=1)["changed"] is False
    predicted = foundry.manage(state="pruned", keep=1, golden=wish, check_mode=True)
    result = foundry.manage(state="pruned", keep=1, golden=wish)
    assert result == predicted
    assert removed(result) == [first]
    assert [image["path"] for image in result["removed"]] == [older["path"]]
    assert fetch.images == [Path(newer["path"])]
    assert foundry.manage(state="pruned", keep=1, golden=wish)["changed"] is False


def test_killed_at_any_file(foundry: Foundry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is left, an image has its record, and the next run deletes all the rest and nothing else."""
    for count in itertools.count(1):
        first = foundry.publish("20260901", days=3, beside=("vmdk", "vmdk.sha256"))
        second = foundry.publish("20260902", days=2)
        with monkeypatch.context() as context:
            context.setattr(os, "unlink", killing_at(count))
            child = multiprocessing.get_context("fork").Process(target=foundry.prune)
            child.start()
            child.join()
        left = [path for path in (first, second) if path.exists()]
        assert second in left
        assert all(Path(f"{path}.json").exists() and Path(f"{path}.log").exists() for path in left)
        ended = child.exitcode == 0
        assert ended or child.exitcode == -signal.SIGKILL
        predicted = foundry.prune(check_mode=True)
        assert predicted["changed"] == bool(foundry.files(first))
        assert foundry.prune() == predicted
        assert foundry.files(first) == []
        assert foundry.files(second) == [f"{second.stem}.{ending}" for ending in ("qcow2", "qcow2.json", "qcow2.log")]
        assert foundry.prune()["changed"] is False
        assert removed(foundry.prune(keep=0)) == []
        for path in foundry.golden.iterdir():
            path.unlink()
        if ended:
            break
    # Five files, the note of the image and that of its digest.
    assert count == 8


def test_as_ansible_runs_it(foundry: Foundry) -> None:
    first = foundry.publish("20260901", days=3)
    second = foundry.publish("20260902", days=2)
    module = "goldsmith.kvm.image_store"
    options = {"store": foundry.layout.root, "state": "pruned", "golden": {"keep": 1, "name": "web"}}
    refused = [
        ({"keep": -1}, "golden.keep is -1. Give a number from 0 on."),
        ({"keep": 1, "name": "a/b"}, "name is no good beginning of a file name"),
        ({"keep": 1, "image": {"path": "/a.qcow2"}}, "golden.image is not what goldsmith.kvm.image_customize returns"),
        ({"keep": 1, "image": {}, "name": "web"}, "mutually exclusive: image|name"),
    ]
    check, pruned, again, *wrong = run_tasks(
        [
            {module: options, "check_mode": True},
            *({module: options} for dummy in range(2)),
            *({module: {**options, "golden": golden}} for golden, dummy in refused),
        ],
        ignore_errors=True,
    )
    assert [result["changed"] for result in (check, pruned, again)] == [True, True, False]
    assert check["removed_golden"] == pruned["removed_golden"]
    assert removed(pruned) == [first]
    assert [image["path"] for image in again["golden_images"]] == [str(second)]
    assert all(said in result["msg"] for result, (dummy, said) in zip(wrong, refused))
