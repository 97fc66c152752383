# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.store.temporary import remove_abandoned, temporary_beside


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def test_it_becomes_the_file_or_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "[a].iso"
    with temporary_beside(str(path)) as (file, temporary):
        assert stat.S_IMODE(os.stat(temporary).st_mode) == 0o600
        assert os.path.dirname(temporary) == str(tmp_path)
        file.write(b"secret")
        file.flush()
        os.rename(temporary, path)
    assert path.read_bytes() == b"secret"
    with contextlib.suppress(ValueError), temporary_beside(str(path)):
        assert len(names(tmp_path)) == 2
        raise ValueError
    assert names(tmp_path) == ["[a].iso"]


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    path, other = tmp_path / "[a].iso", tmp_path / ".[a].iso.conversion.json.abcdefgh.tmp"
    for killed in (path, tmp_path / "[a].iso.iso"):
        if not os.fork():
            with temporary_beside(str(killed)):
                os._exit(0)
        os.wait()
    other.write_text("another's")
    (tmp_path / "target").write_text("another's")
    (tmp_path / ".[a].iso.12345678.tmp").symlink_to("target")
    left = names(tmp_path)
    assert len(left) == 5
    with temporary_beside(str(path)) as (dummy, temporary):
        remove_abandoned(str(path))
        assert os.path.exists(temporary)
        (gone,) = set(left) - set(names(tmp_path))
        assert gone.startswith(".[a].iso.") and not gone.startswith(".[a].iso.iso")
    assert (tmp_path / "target").read_text() == other.read_text() == "another's"


def test_a_file_that_is_taken_for_abandoned_before_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "a.iso")
    make = tempfile.mkstemp
    made: list[str] = []

    def make_and_lose(**options: str) -> tuple[int, str]:
        descriptor, temporary = make(**options)
        made.append(temporary)
        if len(made) == 1:
            remove_abandoned(path)
        return descriptor, temporary

    monkeypatch.setattr(tempfile, "mkstemp", make_and_lose)
    with temporary_beside(path) as (dummy, temporary):
        assert [temporary] == made[1:]
        assert os.path.exists(temporary)
