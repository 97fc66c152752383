# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of builds, and who looks at them meanwhile."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.store import layers
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layers import began, is_in_use, workdir
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.locks import lock


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(str(tmp_path / "store"))
    layout.ensure()
    return layout


def test_a_build_keeps_its_directory_though_somebody_tries_the_lock(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, holding, done = layers._make, threading.Event(), threading.Event()

    def hold(path: str) -> None:
        with lock(os.path.join(path, "lock")):
            holding.set()
            done.wait(0.2)

    def make_with_a_rival(parent: str) -> str:
        path = made(parent)
        threading.Thread(target=hold, args=(path,)).start()
        assert holding.wait(5)
        return path

    monkeypatch.setattr(layers, "_make", make_with_a_rival)
    with workdir(layout) as directory:
        done.set()
        assert is_in_use(directory)
        assert layers.remove_abandoned(layout) == []
        assert os.path.isdir(directory)
    assert not os.path.exists(directory)


def test_looking_writes_nothing_and_bears_that_a_build_ends(layout: Layout) -> None:
    directory = Path(layout.layers) / "build-ended"
    assert not is_in_use(str(directory))
    assert began(str(directory)) is None
    directory.mkdir()
    assert not is_in_use(str(directory))
    assert began(str(directory)) is None
    assert os.listdir(directory) == []
    with workdir(layout) as used:
        assert began(used) == os.stat(os.path.join(used, "lock")).st_mtime
        # One that looks is not taken for a build by another that looks.
        assert not is_in_use(str(directory))


def test_a_directory_that_goes_while_others_clear_up(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = os.path.join(layout.layers, "build-ended")
    monkeypatch.setattr(layers, "build_directories", lambda dummy: [ended])
    assert layers.remove_abandoned(layout) == []
