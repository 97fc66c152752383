# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layers import build_directories, workdir
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.parts import (
    leftovers,
    part_lock,
    part_path,
    remove_leftovers,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.references import golden_images, register_golden


def test_what_is_being_worked_on_is_no_leftover(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "store"))
    layout.ensure()
    abandoned, growing = Path(part_path(layout, "aa")), Path(part_path(layout, "bb"))
    for path in (abandoned, Path(f"{abandoned}.json"), growing):
        path.touch()
    dead = Path(layout.layers) / "build-dead"
    dead.mkdir()
    expected = sorted(map(str, (abandoned, f"{abandoned}.json", dead)))

    with part_lock(layout, "bb"), workdir(layout) as busy:
        dead.mkdir(exist_ok=True)
        locks = sorted(Path(layout.locks).iterdir())
        assert leftovers(layout) == expected
        assert sorted(Path(layout.locks).iterdir()) == locks
        assert remove_leftovers(layout) == expected
        assert growing.exists()
        assert build_directories(layout) == [busy]
    assert leftovers(layout) == [str(growing)]


def test_a_store_that_does_not_exist_has_no_leftovers(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "nothing"))

    assert leftovers(layout) == []
    assert remove_leftovers(layout) == []
    assert list(tmp_path.iterdir()) == []


def test_golden_images_are_known_as_long_as_they_exist(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "store"))
    layout.ensure()
    image = tmp_path / "golden.qcow2"
    image.touch()
    for digest in ("sha256:old", "sha256:new"):
        register_golden(layout, record_path=f"{image}.json", image_path=str(image), base_digest=digest)

    assert [(golden.image_path, golden.base_digest) for golden in golden_images(layout)] == [(str(image), "sha256:new")]
    image.unlink()
    assert golden_images(layout) == []
