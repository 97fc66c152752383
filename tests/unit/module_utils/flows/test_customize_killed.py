# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed (kill -9) when a stage begins or ends: nothing wrong is to be seen, and the next run goes on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import signal
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.stages import Stages
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.files import hash_file
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.flows.building import Result, ScribblingEngine, Workshop

STAGES = ["plan", "wait", "payloads", "preflight", "customize", "compress", "check", "digest", "publish"]
CONTENT = b"content of the controller's file"
DIGESTS = {"2.upload.src": f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"}


def kill_at(stage: str, moment: str) -> Callable[..., t.Any]:
    """In place of Stages.__call__."""
    enter = Stages.__call__

    @contextlib.contextmanager
    def staged(self: Stages, name: str) -> Iterator[None]:
        if (name, moment) == (stage, "begin"):
            os.kill(os.getpid(), signal.SIGKILL)
        with enter(self, name):
            yield
        if (name, moment) == (stage, "end"):
            os.kill(os.getpid(), signal.SIGKILL)

    return staged


def kill_before_replacing(suffix: str) -> Callable[[str, str], None]:
    replace = os.replace

    def killing(source: str, dest: str) -> None:
        if dest.endswith(suffix):
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, dest)

    return killing


class Site:
    """A workshop where a run puts in files of the controller and of the target, and works in a directory elsewhere."""

    def __init__(self, workshop: Workshop, directory: Path) -> None:
        self.workshop = workshop
        self.sent = directory / "sent"
        self.workdir = directory / "workdir"
        self.tree = directory / "tree"
        for made in (self.sent, self.workdir, self.tree):
            made.mkdir()
        (self.sent / "2.upload.src").write_bytes(CONTENT)
        (self.tree / "file").write_text("of the target\n")

    def run(self, **options: t.Any) -> Result:
        steps = [
            {"copy_in": {"src": str(self.tree), "remote_src": True, "dest": "/srv"}},
            {"upload": {"src": "a", "dest": "/srv/a"}},
            {"run_command": {"command": "new"}},
        ]
        return self.workshop.customize(
            steps=steps,
            payloads={"digests": DIGESTS, "directory": str(self.sent)},
            workdir=str(self.workdir),
            **options,
        )

    def run_and_be_killed(self, **options: t.Any) -> None:
        child = multiprocessing.get_context("fork").Process(target=self.run, kwargs=options)
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL

    def look(self) -> None:
        """What is published is whole, and is what its record says."""
        for image in self.workshop.golden.glob("*-*.qcow2"):
            record = json.loads(Path(f"{image}.json").read_text())
            assert record["image"]["digest"] == hash_file(str(image))
            assert record["image"]["file"] == image.name
            assert Path(f"{image}.log").exists()
        assert self.workshop.link.resolve().exists()

    def look_for_leftovers(self) -> None:
        images = {path.name for path in self.workshop.golden.glob("*-*.qcow2")}
        beside = {f"{image}{suffix}" for image in images for suffix in ("", ".json", ".log")}
        assert set(self.workshop.visible()) == {*beside, "web.qcow2"}
        assert os.listdir(self.workdir) == os.listdir(self.workshop.store / "layers") == []
        assert [path for path in self.workshop.store.rglob("*") if path.name.endswith((".tmp", ".part"))] == []


@pytest.fixture(name="site")
def fixture_site(workshop: Workshop, engine: ScribblingEngine, tmp_path: Path) -> Site:
    workshop.customize("old")
    # Only the disk is looked at here, which copy_in does not change.
    engine.reads = False
    return Site(workshop, tmp_path)


@pytest.mark.parametrize(
    ("stage", "moment"), [("audit", "begin"), *((stage, moment) for stage in STAGES for moment in ("begin", "end"))]
)
def test_killed_in_a_stage(site: Site, monkeypatch: pytest.MonkeyPatch, stage: str, moment: str) -> None:
    old = site.workshop.link.resolve()
    with monkeypatch.context() as context:
        context.setattr(Stages, "__call__", kill_at(stage, moment))
        site.run_and_be_killed(audit=stage == "audit")
    site.look()
    published = (stage, moment) == ("publish", "end")
    assert (site.workshop.link.resolve() == old) != published
    result = site.run()
    assert result["changed"] != published
    assert site.workshop.link.resolve() == Path(result["image"]["path"])
    site.look()
    if not published:
        site.look_for_leftovers()
    assert not site.run()["changed"]


@pytest.mark.parametrize("suffix", [".qcow2.log", ".qcow2.json", "web.qcow2"])
def test_killed_while_a_further_image_is_published(site: Site, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """Its name has the time in it, so that the next run's is another."""
    first = site.run()
    with monkeypatch.context() as context:
        context.setattr(os, "replace", kill_before_replacing(suffix))
        site.run_and_be_killed(force=True)
    assert site.workshop.link.resolve() == Path(first["image"]["path"])
    result = site.run(force=True)
    assert site.workshop.link.resolve() == Path(result["image"]["path"])
    site.look()
    site.look_for_leftovers()
