# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_store on a store that image_fetch has filled: what is listed, what goes, and what has to stay."""

from __future__ import annotations

import subprocess
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.store import manage_store, store_argument_spec
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.images import Images
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layers import no_new_builds, workdir
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.parts import part_path
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.references import register_golden
from ansible_collections.goldsmith.kvm.tests.fixtures.mirror import Mirror
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Server
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .fetching import Fetching, sha256
from .plays import run_module, run_tasks

DOMAIN = """\
<domain type='kvm'><name>{name}</name><devices>
  <disk type='{type}' device='disk'><driver name='qemu' type='{format}'/><source {source}/></disk>
</devices></domain>
"""


class Site:
    """A store with two serials of noble, and the root of a file system with definitions of domains."""

    def __init__(self, fetch: Fetching, root: Path) -> None:
        self.fetch = fetch
        self.root = root
        self.layout = Layout(str(fetch.store))
        older, newer = (fetch(serial=serial)["image"] for serial in ("20260905", "20261010.1"))
        self.older, self.newer = Path(older["path"]), Path(newer["path"])
        self.older_digest: str = older["digest"]

    def __call__(self, *, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        defaults = {name: option.get("default") for name, option in store_argument_spec().items()}
        given = {**defaults, "store": str(self.fetch.store), "state": "pruned", **options}
        return manage_store(self.fetch.host, given, check_mode, root=str(self.root))

    def overlay(self, name: str, base: Path) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, path]
        subprocess.run(argv, check=True)
        return path

    def define(
        self, source: str, image_format: str = "qcow2", kind: str = "file", directory: str = "etc/libvirt/qemu"
    ) -> None:
        path = self.root / directory / "db-1.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(DOMAIN.format(name="db-1", type=kind, format=image_format, source=source))


@pytest.fixture
def site(fetch: Fetching, tmp_path: Path) -> Site:
    return Site(fetch, tmp_path / "root")


def test_what_is_held_is_listed(site: Site, mirror: Mirror, tmp_path: Path) -> None:
    golden = tmp_path / "golden.qcow2"
    golden.touch()
    register_golden(site.layout, record_path=f"{golden}.json", image_path=str(golden), base_digest=site.older_digest)
    site.fetch(stream="daily", serial="20260905")

    result = site(state="listed")

    assert result["changed"] is False
    listed = {image["path"]: image for image in result["images"]}
    assert set(listed) == {str(site.older), str(site.newer)}
    older = listed[str(site.older)]
    assert older["size"] == mirror.item(serial="20260905").size
    assert older["golden_images"] == [str(golden)]
    assert [source["product"] for source in older["sources"]] == [
        "com.ubuntu.cloud:server:24.04:amd64",
        "com.ubuntu.cloud.daily:server:24.04:amd64",
    ]
    assert older["sources"][0]["proof"]["method"] == "signature"
    assert listed[str(site.newer)]["golden_images"] == []


def test_pruning_removes_what_check_mode_said(site: Site) -> None:
    predicted = site(keep=1, check_mode=True)
    assert site.older.exists()

    result = site(keep=1)

    assert predicted == result
    assert [image["path"] for image in result["removed"]] == [str(site.older)]
    assert [image["path"] for image in result["images"]] == [str(site.newer)]
    assert result["freed"] == result["removed"][0]["size"]
    assert site.fetch.images == [site.newer]
    assert site(keep=1)["changed"] is False
    assert site.fetch(serial="20260905")["changed"] is True


def test_recent_use_keeps_an_image(site: Site) -> None:
    assert site(keep=0, age="1h")["changed"] is False
    assert site(age="1h")["changed"] is False
    assert len(site.fetch.images) == 2


def test_without_keep_and_age_only_leftovers_go(site: Site) -> None:
    part = Path(part_path(site.layout, "ab"))
    part.write_bytes(b"half an image")
    (site.fetch.store / "layers" / "build-dead").mkdir()
    left = sorted([str(part), f"{site.fetch.store}/layers/build-dead"])

    assert site(check_mode=True)["removed_leftovers"] == left
    assert part.exists()
    assert site()["removed_leftovers"] == left
    assert site.fetch.leftovers == []
    assert len(site.fetch.images) == 2
    assert site()["changed"] is False


def test_the_record_of_a_vanished_image_goes(site: Site) -> None:
    site.older.unlink()

    assert [image["path"] for image in site(state="listed")["images"]] == [str(site.newer)]
    (record,) = site()["removed_leftovers"]
    assert site.older.stem in record
    assert site()["changed"] is False


def test_the_base_of_a_golden_image_stays_as_long_as_that_exists(site: Site, tmp_path: Path) -> None:
    golden = tmp_path / "golden.qcow2"
    golden.touch()
    register_golden(site.layout, record_path=f"{golden}.json", image_path=str(golden), base_digest=site.older_digest)

    result = site(keep=1)
    assert result["changed"] is False
    (needed,) = result["needed"]
    assert needed["path"] == str(site.older)
    assert needed["reasons"] == [f"the golden image {golden} was made from it"]

    golden.unlink()
    assert site(keep=1)["changed"] is True
    assert not site.older.exists()


@pytest.mark.parametrize(
    "directory", ["etc/libvirt/qemu", "run/libvirt/qemu", "var/lib/libvirt/qemu/snapshot/db-1"], ids=Path
)
def test_what_is_in_a_domains_backing_chain_stays(site: Site, directory: str) -> None:
    lower = site.overlay("lower.qcow2", site.older)
    site.define(f"file='{site.overlay('upper.qcow2', lower)}'", directory=directory)

    (needed,) = site(keep=1)["needed"]

    assert needed["reasons"] == ["the domain db-1 uses it"]
    assert site.older.exists()


def test_a_domain_on_a_volume_of_a_pool(site: Site) -> None:
    pool = site.root / "pool"
    site.overlay("pool/disk.qcow2", site.older)
    path = site.root / "etc/libvirt/storage/default.xml"
    path.parent.mkdir(parents=True)
    path.write_text(f"<pool type='dir'><name>default</name><target><path>{pool}</path></target></pool>")
    site.define("pool='default' volume='disk.qcow2'", kind="volume")

    (needed,) = site(keep=1)["needed"]

    assert needed["reasons"] == ["the domain db-1 uses it"]


def test_an_image_that_is_a_domains_disk_itself_stays(site: Site) -> None:
    link = site.root / "disk.img"
    link.parent.mkdir(parents=True)
    link.symlink_to(site.older)
    site.define(f"file='{link}'", "raw")

    assert [needed["path"] for needed in site(keep=1)["needed"]] == [str(site.older)]


@pytest.mark.parametrize(
    ("source", "kind", "said"),
    [
        ("file='/nowhere/disk.qcow2'", "file", "the backing chain of /nowhere/disk.qcow2 cannot be read"),
        ("pool='gone' volume='disk'", "volume", "volume disk of pool gone"),
        ("protocol='nbd' name='disk'", "network", "nbd:disk"),
        ("file='<'", "file", "cannot be understood"),
    ],
    ids=["missing file", "unknown pool", "network", "no XML"],
)
def test_nothing_goes_when_a_chain_cannot_be_read(
    site: Site, host: LocalHost, source: str, kind: str, said: str
) -> None:
    site.define(source, kind=kind)

    result = site(keep=0)

    assert result["changed"] is False
    assert len(result["needed"]) == 2
    assert all(said in needed["reasons"][0] for needed in result["needed"])
    assert any(said in warning and "no image is pruned" in warning for warning in host.warnings)
    assert len(site.fetch.images) == 2


def test_a_raw_disk_is_not_searched_for_what_its_guest_wrote(site: Site) -> None:
    evil = site.overlay("disk.raw", site.older)
    site.define(f"file='{evil}'", "raw")

    assert site(keep=1)["changed"] is True


def test_the_base_of_a_build_under_way_stays(site: Site) -> None:
    with workdir(site.layout) as directory:
        argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", site.older, f"{directory}/disk.qcow2"]
        subprocess.run(argv, check=True)
        (needed,) = site(keep=1)["needed"]
        assert needed["reasons"] == [f"the build in {directory} uses it"]
    assert site(keep=1)["changed"] is True


def test_nothing_goes_while_a_build_does_not_show_yet_what_it_starts_from(site: Site) -> None:
    with workdir(site.layout) as directory:
        for check_mode in (True, False):
            (needed,) = site(keep=1, check_mode=check_mode)["needed"]
            assert f"the build in {directory} has just begun" in needed["reasons"][0]
    assert site(keep=1)["changed"] is True


def test_no_build_begins_between_looking_and_deleting(site: Site) -> None:
    pruning = threading.Thread(target=site, kwargs={"keep": 1})
    with no_new_builds(site.layout):
        pruning.start()
        pruning.join(0.5)
        assert pruning.is_alive()
        assert site.older.exists()
    pruning.join()
    assert not site.older.exists()


def test_fetching_and_pruning_at_once(site: Site) -> None:
    """Whatever the order in which they meet, a fetched image is there, whole and recorded, at least until the next."""
    ended = threading.Event()
    pruned: list[dict[str, t.Any]] = []

    def prune() -> None:
        while not ended.is_set():
            pruned.append(site(keep=0))

    pruning = threading.Thread(target=prune)
    pruning.start()
    try:
        # Each call is a run: what one finds there, the other may delete at any moment.
        results = [site.fetch(serial=serial) for serial in ("20260905", "20261010.1") * 15]
    finally:
        ended.set()
        pruning.join()

    assert {result["image"]["digest"] for result in results} >= {site.older_digest}
    assert any(result["removed"] for result in pruned)
    # Nothing was recorded that is not there, and nothing is there that was not recorded.
    recorded = {image.digest: image for image in Images(site.layout).all()}
    assert {Path(site.layout.image(digest)) for digest in recorded} == set(site.fetch.images)
    assert all(sha256(site.layout.image(digest)) == digest for digest in recorded)
    assert site.fetch.leftovers == []
    assert site.fetch(serial="20260905")["image"]["digest"] == site.older_digest


def test_as_ansible_runs_it(site: Site, server: Server) -> None:
    module = "goldsmith.kvm.image_store"
    options = {"store": str(site.fetch.store)}
    listed, check, pruned, again = run_tasks(
        [
            {module: options},
            {module: {**options, "state": "pruned", "keep": 1, "age": "0s"}, "check_mode": True},
            {module: {**options, "state": "pruned", "keep": 1, "age": "0s"}},
            {module: {**options, "state": "pruned", "keep": 1}},
        ],
        "--diff",
    )
    assert [result["changed"] for result in (listed, check, pruned, again)] == [False, True, True, False]
    assert check["diff"] == pruned["diff"]
    assert pruned["diff"]["after"] == {str(site.older): "absent"}
    refused = run_module(module, **options, state="pruned", age="soon")
    assert refused["msg"].startswith("'soon' is not an age.")
