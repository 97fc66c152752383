# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that are missing, elsewhere, or may not be written; files of the target and of the controller."""

from __future__ import annotations

import hashlib
import os
import subprocess
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    StoreError,
    VerificationError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows import customize_build
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.flows.building import ScribblingEngine, Workshop
from ansible_collections.goldsmith.kvm.tests.unit.small_tmpfs import small_tmpfs


@pytest.fixture(name="mounted")
def fixture_mounted(tmp_path: Path) -> Iterator[Path]:
    with small_tmpfs(tmp_path / "mounted", "16M") as directory:
        yield directory


def read_only(directory: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", directory], check=True)


def test_a_destination_that_is_missing_and_on_another_file_system(
    workshop: Workshop, engine: ScribblingEngine, mounted: Path
) -> None:
    dest = mounted / "not" / "there yet"
    assert workshop.customize(dest_dir=str(dest), check_mode=True)["changed"]
    assert not dest.exists()
    result = workshop.customize(dest_dir=str(dest))
    assert Path(result["image"]["path"]).parent == dest
    assert os.stat(dest).st_dev != os.stat(workshop.store).st_dev
    assert not workshop.customize(dest_dir=str(dest))["changed"]


@pytest.mark.parametrize("place", ["dest_dir", "store", "workdir"])
def test_a_directory_that_cannot_be_written(
    workshop: Workshop, engine: ScribblingEngine, mounted: Path, place: str
) -> None:
    read_only(mounted)
    with pytest.raises(StoreError, match=r"mounted.* cannot be written: Read-only file system\. Use become, or choose"):
        workshop.customize(**{place: str(mounted)})
    assert engine.builds == []
    assert workshop.visible() == []


def test_a_base_that_cannot_be_written(workshop: Workshop, engine: ScribblingEngine, mounted: Path) -> None:
    base = mounted / "base.qcow2"
    base.write_bytes(workshop.base.read_bytes())
    base.chmod(0o444)
    read_only(mounted)
    steps = [{"condition": {"distribution": ["debian"]}, "run_command": {"command": "true"}}]
    assert workshop.customize(base={"path": str(base)}, steps=steps)["changed"]
    assert not workshop.customize(base={"path": str(base)}, steps=steps)["changed"]


def tree(directory: Path, content: str) -> Path:
    (directory / "site").mkdir(exist_ok=True)
    (directory / "site/file").write_text(content)
    return directory / "site"


def test_a_directory_of_the_target(workshop: Workshop, engine: ScribblingEngine, tmp_path: Path) -> None:
    engine.reads = False
    site = tree(tmp_path, "one")
    steps: list[dict[str, t.Any]] = [{"copy_in": {"src": f"{site}/", "remote_src": True, "dest": "/srv"}}]
    predicted = workshop.customize(steps=steps, check_mode=True)
    assert workshop.customize(steps=steps)["image"]["path"] == predicted["image"]["path"]
    assert not workshop.customize(steps=steps)["changed"]
    os.utime(site / "file", (1, 1))
    assert not workshop.customize(steps=steps)["changed"]
    tree(tmp_path, "two")
    assert workshop.customize(steps=steps)["changed"]
    os.mkfifo(site / "pipe")
    with pytest.raises(BadRequestError, match=r"src of step 1 \(copy_in\): .*site/pipe is neither a file"):
        workshop.customize(steps=steps)


def test_a_directory_of_the_target_that_changes(
    workshop: Workshop, engine: ScribblingEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tree(tmp_path, "one")
    steps = [{"copy_in": {"src": str(site), "remote_src": True, "dest": "/srv"}}]
    pack = customize_build.host_paths

    def pack_later(*arguments: t.Any) -> t.Any:
        tree(tmp_path, "changed in between")
        return pack(*arguments)

    monkeypatch.setattr(customize_build, "host_paths", pack_later)
    before = workshop.visible()
    with pytest.raises(VerificationError, match=r"site of step 1 \(copy_in\) was changed while this task ran"):
        workshop.customize(steps=steps)
    assert workshop.visible() == before
    assert engine.builds == []


def test_files_that_are_secrets_leave_no_digest(workshop: Workshop, engine: ScribblingEngine, tmp_path: Path) -> None:
    digest = f"sha256:{hashlib.sha256(b'1234').hexdigest()}"
    (tmp_path / "1.upload.src").write_bytes(b"1234")
    steps = [{"upload": {"src": "pin", "dest": "/srv/pin", "secret": True, "in_image": True}}]
    payloads = {"secret_digests": {"1.upload.src": digest}, "directory": str(tmp_path)}
    result = workshop.customize(steps=steps, payloads=payloads)
    texts = [str(result), *(content for content in engine.contents if content != "1234")]
    texts += [path.read_text() for top in (workshop.store, workshop.golden) for path in top.rglob("*.json")]
    assert [text for text in texts if digest[7:] in text or "1234\n" in text] == []
    assert not workshop.customize(steps=steps, payloads=payloads)["changed"]
    # The same content that is no secret is another thing: its digest is shown.
    plain = [{"upload": {"src": "pin", "dest": "/srv/pin"}}]
    shown = {"digests": {"1.upload.src": digest}, "directory": str(tmp_path)}
    assert digest in str(workshop.customize(steps=plain, payloads=shown, check_mode=True)["diff"])


def test_one_content_travels_once(workshop: Workshop, engine: ScribblingEngine) -> None:
    digest = f"sha256:{hashlib.sha256(b'content').hexdigest()}"
    steps = [{"upload": {"src": name, "dest": f"/srv/{name}"}} for name in ("a", "b")]
    told = workshop.customize(steps=steps, payloads={"digests": {"1.upload.src": digest, "2.upload.src": digest}})
    assert len(told["payloads_missing"]) == 1
