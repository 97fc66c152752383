# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a definition before it is changed: whole and on the disk, or not at all."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.document import Document
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.model import Found, Pair
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.record import Record
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.domain_backup import (
    confirm_change,
    keep_backup,
    prune_backups,
    read_records,
    settle_changes,
)

UUID = "0b3e0c6c-2f6b-4a5e-9a59-3d3b6f0f8f0e"
RECORD = Record("2026-11-23T06:14:16Z", {"balloon.model": Pair("virtio", "none"), "cputune.shares": Pair(1024, 512)})


def defined(balloon: str, shares: int) -> str:
    return (
        f"<domain type='qemu'><name>db-1</name><cputune><shares>{shares}</shares></cputune>"
        f"<devices><memballoon model='{balloon}'/></devices></domain>"
    )


def domain(definition: str | None) -> Found:
    return Found("db-1", UUID, "shutoff", None if definition is None else Document.parse(definition), None)


UNCHANGED, CHANGED = defined("virtio", 1024), defined("none", 512)


def keep(directory: Path, xml: str = "<domain/>", count: int = 10) -> Path:
    kept = keep_backup(str(directory), UUID, xml, RECORD)
    confirm_change(kept)
    prune_backups(kept, count)
    return Path(kept)


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a loss of power leaves no half of it, and none that says less than the change that follows did."""
    synced: set[int] = set()
    directories = 0
    named: list[bool] = []
    sync, replace = os.fsync, os.replace

    def note_sync(descriptor: int) -> None:
        nonlocal directories
        sync(descriptor)
        synced.add(os.fstat(descriptor).st_ino)
        directories += os.readlink(f"/proc/self/fd/{descriptor}") == str(tmp_path / UUID)

    def note_name(source: str, target: str) -> None:
        named.append(os.stat(source).st_ino in synced)
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_name)
    backup = keep(tmp_path, "<domain><name>ü</name></domain>")
    assert (named, directories) == ([True] * 3, 2)
    assert backup.read_text(encoding="utf-8") == "<domain><name>ü</name></domain>"
    assert read_records(str(tmp_path), domain(UNCHANGED)) == {str(backup): RECORD}


@pytest.mark.parametrize("suffix", [".xml", ".planned"])
def test_half_of_it_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    replace = os.replace

    def fill_the_disk(source: str, target: str) -> None:
        if target.endswith(suffix):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fill_the_disk)
    with pytest.raises(GoldsmithError, match="no space left on the file system"):
        keep(tmp_path)
    assert not list(tmp_path.glob(f"*/*{suffix}")) and not list(tmp_path.glob("*/.*"))
    assert read_records(str(tmp_path), domain(UNCHANGED)) == {}


def test_what_a_killed_run_has_left_goes(tmp_path: Path) -> None:
    """It may hold passwords."""
    left = keep(tmp_path).with_name(".20261123T061416.000000.xml.abc.tmp")
    left.write_text("<domain>")
    keep(tmp_path, count=1)
    assert sorted(path.suffix for path in left.parent.iterdir()) == [".json", ".xml"]


def test_who_may_not_write_is_told_so(tmp_path: Path) -> None:
    (tmp_path / UUID).write_text("a file, where the directory should be")
    with pytest.raises(GoldsmithError, match=UUID):
        keep(tmp_path)


@pytest.mark.parametrize(
    ("now", "made", "kept"),
    [
        (CHANGED, True, True),
        # Somebody has changed one of the knobs since.
        (defined("none", 256), True, True),
        (UNCHANGED, False, False),
        # The definition of the backup is nowhere else.
        (defined("virtio", 256), False, True),
        (None, False, True),
    ],
)
def test_of_a_run_that_was_killed_only_what_it_has_made_is_recorded(
    tmp_path: Path, now: str | None, made: bool, kept: bool
) -> None:
    before = keep(tmp_path)
    backup = keep_backup(str(tmp_path), UUID, UNCHANGED, RECORD)
    records = dict.fromkeys([str(before), *([backup] if made else [])], RECORD)
    assert read_records(str(tmp_path), domain(now)) == records
    settle_changes(str(tmp_path), domain(now), now or "")
    # From now on, whatever the domain becomes.
    for definition in (CHANGED, UNCHANGED, defined("virtio", 256)):
        assert read_records(str(tmp_path), domain(definition)) == records
    assert Path(backup).exists() == kept
    keep(tmp_path, count=1)
    assert sorted(path.suffix for path in before.parent.iterdir()) == [".json", ".xml"]


def test_an_undoing_that_was_killed_counts_if_all_of_it_is_there(tmp_path: Path) -> None:
    """One of its knobs may have been put back by hand before."""
    keep_backup(str(tmp_path), UUID, CHANGED, replace(RECORD, restored=True))
    counted = [len(read_records(str(tmp_path), domain(now))) for now in (CHANGED, defined("none", 1024), UNCHANGED)]
    assert counted == [0, 0, 1]


def test_a_change_that_cannot_be_confirmed_counts_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = keep_backup(str(tmp_path), UUID, UNCHANGED, RECORD)
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse)
        with pytest.raises(GoldsmithError, match="no space left on the file system"):
            confirm_change(backup)
    assert read_records(str(tmp_path), domain(CHANGED)) == {backup: RECORD}


def refuse(source: str, target: str) -> None:
    raise OSError(28, "No space left on device")


def test_a_record_that_another_run_confirms_meanwhile_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = keep_backup(str(tmp_path), UUID, UNCHANGED, RECORD)
    look = os.listdir

    def look_and_confirm(path: str) -> list[str]:
        names = look(path)
        if any(name.endswith(".planned") for name in names):
            confirm_change(backup)
        return names

    monkeypatch.setattr(os, "listdir", look_and_confirm)
    assert read_records(str(tmp_path), domain(CHANGED)) == {backup: RECORD}
