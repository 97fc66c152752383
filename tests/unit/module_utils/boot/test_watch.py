# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching files that grow as a guest's do."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot import console
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot import watch as module
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.place import Place
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.watch import Watched, watch
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import StoreError
from ansible_collections.goldsmith.kvm.tests.unit.small_tmpfs import small_tmpfs

from .test_console import KERNEL, NO_CLOUD_INIT, NO_ROOT_FS, RECOVERED, SEABIOS


@pytest.fixture(name="place")
def fixture_place(tmp_path: Path) -> Iterator[Place]:
    """Something runs in it."""
    with running(tmp_path) as place:
        yield place


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Place]:
    place = Place(str(directory))
    with open(place.alive, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield place


def watched(place: Place, *steps: Callable[[], object], timeout: float = 20) -> tuple[Watched, float]:
    """What is seen while a guest does these things, half a second apart; and how long it took."""
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        found = pool.submit(watch, place, began, timeout)
        for step in steps:
            time.sleep(0.5)
            step()
        return found.result(), time.monotonic() - began


def test_a_panic_from_which_the_loader_recovers(place: Place) -> None:
    def report() -> None:
        place.write(place.report, "begun\nkernel\n 6.1\nend\n")

    found, dummy = watched(
        place,
        lambda: place.write(place.console, NO_ROOT_FS),
        lambda: place.write(place.console, NO_ROOT_FS + RECOVERED),
        report,
    )
    assert found.stuck is None
    assert found.report == "begun\nkernel\n 6.1"


def test_a_panic_from_which_it_does_not(place: Place) -> None:
    halted = f"{NO_ROOT_FS}[    2.0] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---\r\n"
    found, seconds = watched(place, lambda: place.write(place.console, halted))
    assert found.stuck is not None and found.stuck.stage == "kernel"
    assert 2 < seconds < 5


def test_a_guest_that_does_not_report(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_SILENCE", 1.0)
    found, seconds = watched(place, lambda: place.write(place.console, NO_CLOUD_INIT))
    assert found.stuck is not None and "cloud-init never ran" in found.stuck.reason
    assert 1 < seconds < 5
    place.write(place.report, "begun\n")
    found, seconds = watched(place, timeout=4)
    assert found.stuck is not None and "systemd started, and cloud-init never ran" in found.stuck.reason
    assert seconds > 4


def test_a_host_whose_disk_is_full(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "small", "24m") as directory, running(directory) as place:

        def fill() -> None:
            (directory / "disk.qcow2").write_bytes(bytes(10 * 1024**2))

        with pytest.raises(StoreError) as refused:
            watched(place, lambda: place.write(place.console, KERNEL), fill)
    assert f"the file system of {directory} is full, so that the guest cannot write to its disk" in str(refused.value)
    assert "Free some space there" in str(refused.value)


def test_a_guest_that_repeats_itself_for_ever(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_SAID", 10_000)
    found, seconds = watched(place, lambda: place.write(place.console, SEABIOS + "unit failed, restarting\r\n" * 1000))
    assert found.stuck is not None
    assert found.stuck.stage == "boot_loader"
    assert "the guest said more than 9.77 KiB, and does not stop" in found.stuck.reason
    assert found.stuck.lines[0] == "unit failed, restarting"
    assert len(found.console) <= 10_000
    assert seconds < 6
    place.write(place.console, SEABIOS)
    place.write(place.report, "x" * 20_000)
    found, dummy = watched(place)
    assert found.stuck is not None and "does not stop" in found.stuck.reason
