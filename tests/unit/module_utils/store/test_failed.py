# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that were built and not published."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import StoreError
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.failed import forget_failed, keep_failed
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.golden import Golden
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.golden_prune import FAILED, UNCHECKED

PRINT = f"sha256:{'ab' * 32}"


def record(name: str) -> dict[str, t.Any]:
    return {
        "name": name,
        "fingerprint": PRINT,
        "created": "2026-09-07T05:11:40Z",
        "base": {"digest": PRINT},
        "recipe": {"steps": []},
        "image": {"digest": PRINT},
        "packages": {"added": {}},
    }


def nobody(path: str) -> bool:
    return False


def keep(directory: Path, name: str, serial: str, is_held: t.Callable[[str], bool] = nobody, why: str = FAILED) -> str:
    golden = Golden(str(directory), name)
    temporary = directory / f".{name}.tmp"
    temporary.write_text(serial)
    path = golden.path(serial, PRINT)
    return keep_failed(golden, str(temporary), path, record(name), "log\n", {"console.log": "panic\n"}, is_held, why)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_it_is_kept_with_all_that_tells_of_it(tmp_path: Path) -> None:
    failed = keep(tmp_path, "web", "1")
    assert failed == str(tmp_path / "web-1-abababab.failed.qcow2")
    assert Path(failed).read_text() == "1"
    assert Path(failed).stat().st_mode & 0o777 == 0o600
    assert json.loads(Path(f"{failed}.json").read_text())["name"] == "web"
    endings = ("console.log", "qcow2", "qcow2.json", "qcow2.log")
    assert names(tmp_path) == [f"web-1-abababab.failed.{ending}" for ending in endings]
    assert (tmp_path / "web-1-abababab.failed.console.log").read_text() == "panic\n"


def test_one_of_each_name_is_kept(tmp_path: Path) -> None:
    keep(tmp_path, "web", "1")
    keep(tmp_path, "web-db", "1")
    keep(tmp_path, "web", "2", why=UNCHECKED)
    assert [name for name in names(tmp_path) if name.endswith("2-abababab.unchecked.qcow2")] != []
    assert [name for name in names(tmp_path) if name.startswith("web-1")] == []
    keep(tmp_path, "web", "2")
    assert {name.partition(".failed.")[0] for name in names(tmp_path)} == {"web-2-abababab", "web-db-1-abababab"}
    forget_failed(Golden(str(tmp_path), "web"), nobody)
    assert {name.partition(".failed.")[0] for name in names(tmp_path)} == {"web-db-1-abababab"}


def test_what_is_published_and_what_is_somebody_else_s_stays(tmp_path: Path) -> None:
    others = ("web-1-abababab.qcow2", "web-1-abababab.qcow2.json", "web-0.failed.qcow2", "web-x.failed.qcow2.json")
    for name in others:
        (tmp_path / name).write_text("{}")
    keep(tmp_path, "web", "1")
    forget_failed(Golden(str(tmp_path), "web"), nobody)
    assert names(tmp_path) == sorted(others)


def test_it_is_no_image_of_the_fingerprint(tmp_path: Path) -> None:
    keep(tmp_path, "web", "1")
    golden = Golden(str(tmp_path), "web")
    path = golden.path("1", PRINT)
    assert golden.images(path) == golden.images_of_other_serials(path, PRINT) == []


def test_a_directory_that_went_away(tmp_path: Path) -> None:
    golden = Golden(str(tmp_path / "gone"), "web")
    with pytest.raises(StoreError):
        keep_failed(golden, str(tmp_path / "x"), golden.path("1", PRINT), record("web"), "", {}, nobody)


def test_one_that_is_used_stays(tmp_path: Path) -> None:
    first = keep(tmp_path, "web", "1")
    second = keep(tmp_path, "web", "1", lambda path: path == first)
    assert Path(first).exists() and Path(f"{first}.json").exists()
    assert second != first and second.endswith("z.failed.qcow2")
    third = keep(tmp_path, "web", "1")
    assert sorted(tmp_path.glob("*.failed.qcow2")) == [Path(third)]
