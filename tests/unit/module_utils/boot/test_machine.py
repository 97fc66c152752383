# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sees to QEMU's end, with a program that sleeps in place of QEMU."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot import machine
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.place import Place, claimed, sweep
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import StoreError
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

PATIENCE = 15


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sleepers(mark: str) -> list[int]:
    """Processes whose arguments have this text."""
    found = subprocess.run(["pgrep", "--full", "--", mark], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


@pytest.fixture(name="mark")
def fixture_mark(tmp_path: Path) -> Iterator[str]:
    """A part of the name of the directory, which all that is started has among its arguments."""
    boots = tmp_path / "boots"
    boots.mkdir()
    yield f"{boots}/boot-"
    for pid in sleepers(f"{boots}/boot-"):
        os.kill(pid, signal.SIGKILL)


def program(place: Place) -> list[str]:
    """Stands for QEMU."""
    return ["sh", "-c", "echo started; while :; do sleep 0.1; done", place.directory]


def test_a_machine_ends_with_the_claim(tmp_path: Path, mark: str) -> None:
    host = LocalHost(str(tmp_path))
    with claimed(host, f"{tmp_path}/boots") as place:
        assert os.stat(place.directory).st_mode & 0o777 == 0o700
        machine.start(host, place, program(place), 60)
        assert place.is_alive()
        until(lambda: machine.said(place) == "started")
        machine.stop(place)
        assert not place.is_alive()
        assert os.path.isdir(place.directory)
    assert os.listdir(tmp_path / "boots") == []
    until(lambda: sleepers(mark) == [])


def prepare(directory: str) -> None:
    """A process that is killed before it has started anything."""
    with claimed(LocalHost(directory), directory) as place:
        place.write(place.seed, "secret")
        (Path(directory).parent / "ready").touch()
        time.sleep(60)


def test_a_process_that_is_killed_early_leaves_no_directory(tmp_path: Path, mark: str) -> None:
    process = multiprocessing.get_context("spawn").Process(target=prepare, args=(f"{tmp_path}/boots",))
    process.start()
    until((tmp_path / "ready").exists)
    assert len(os.listdir(tmp_path / "boots")) == 1
    process.kill()
    process.join()
    until(lambda: os.listdir(tmp_path / "boots") == [])
    until(lambda: sleepers(mark) == [])


def work(directory: str, keep: bool, lifetime: int) -> None:
    """A process that boots, and then is killed."""
    with claimed(LocalHost(directory), directory) as place:
        machine.start(LocalHost(directory), place, program(place), lifetime)
        if keep:
            machine.keep(place)
        (Path(directory).parent / "ready").touch()
        time.sleep(60)


def booted_by_another(tmp_path: Path, *, keep: bool, lifetime: int = 60) -> tuple[BaseProcess, Place]:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=work, args=(f"{tmp_path}/boots", keep, lifetime))
    process.start()
    until((tmp_path / "ready").exists)
    (name,) = os.listdir(tmp_path / "boots")
    place = Place(f"{tmp_path}/boots/{name}")
    until(lambda: machine.said(place) == "started")
    return process, place


def test_nothing_outlives_a_process_that_was_killed(tmp_path: Path, mark: str) -> None:
    process, place = booted_by_another(tmp_path, keep=False)
    sweep(f"{tmp_path}/boots")
    assert place.is_alive()
    process.kill()
    process.join()
    until(lambda: os.listdir(tmp_path / "boots") == [])
    until(lambda: sleepers(mark) == [])


def test_what_is_kept_outlives_it_until_it_is_stopped(tmp_path: Path, mark: str) -> None:
    process, place = booted_by_another(tmp_path, keep=True)
    process.kill()
    process.join()
    time.sleep(0.5)
    sweep(f"{tmp_path}/boots")
    assert place.is_alive() and os.path.isdir(place.directory)
    machine.stop(place)
    until(lambda: os.listdir(tmp_path / "boots") == [])
    until(lambda: sleepers(mark) == [])


def test_what_is_kept_ends_when_its_lifetime_is_over(tmp_path: Path, mark: str) -> None:
    process, dummy = booted_by_another(tmp_path, keep=True, lifetime=2)
    process.kill()
    process.join()
    until(lambda: os.listdir(tmp_path / "boots") == [])
    until(lambda: sleepers(mark) == [])


def test_a_supervisor_that_is_killed_takes_qemu_along(tmp_path: Path, mark: str) -> None:
    process, place = booted_by_another(tmp_path, keep=True)
    os.kill(int(place.read(place.pid)), signal.SIGKILL)
    until(lambda: not place.is_alive())
    process.kill()
    process.join()
    until(lambda: sleepers(mark) == [])
    assert os.path.isdir(place.directory)
    sweep(f"{tmp_path}/boots")
    assert os.listdir(tmp_path / "boots") == []


def test_a_program_that_fails_at_once(tmp_path: Path, mark: str) -> None:
    with claimed(LocalHost(str(tmp_path)), f"{tmp_path}/boots") as place:
        machine.start(LocalHost(str(tmp_path)), place, ["sh", "-c", "echo no such option >&2; exit 1"], 60)
        until(lambda: not place.is_alive())
        assert machine.said(place) == "no such option"
        machine.start(LocalHost(str(tmp_path)), place, program(place), 60)
        assert place.is_alive()
        # What the first one said is no end of the second.
        until(lambda: machine.said(place) == "started")
        machine.keep(place)
    time.sleep(0.5)
    # The first one's supervisor waited for the claim's end, and has left alone what the second one needs.
    assert place.is_alive() and os.path.isdir(place.directory)
    machine.stop(place)
    until(lambda: sleepers(mark) == [])


def test_a_stranger_with_the_number_of_the_supervisor_is_left_alone(tmp_path: Path, mark: str) -> None:
    with claimed(LocalHost(str(tmp_path)), f"{tmp_path}/boots") as place, subprocess.Popen(["sleep", "60"]) as stranger:
        machine.start(LocalHost(str(tmp_path)), place, program(place), 60)
        real = place.read(place.pid).decode()
        place.write(place.pid, f"{stranger.pid}\n")
        machine._signal(place)
        assert stranger.poll() is None
        place.write(place.pid, real)
        machine.stop(place)
        stranger.kill()
    until(lambda: sleepers(mark) == [])


def test_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    host = LocalHost(str(tmp_path))
    missing = f"{tmp_path}/missing"
    with pytest.raises(StoreError, match=r"/missing cannot be written: No such file"), claimed(host, missing):
        pass
