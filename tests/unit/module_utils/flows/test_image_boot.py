# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests by name, with a program that sleeps in place of QEMU."""

from __future__ import annotations

import json
import os
import time
import typing as t
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot import machine
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.model import BootOptions
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.place import Place, claimed
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import accel
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows import image_boot
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.image_boot import boot_argument_spec, manage_boot
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

NAME = "web"


class Store:
    """A store with guests that are kept."""

    def __init__(self, directory: Path) -> None:
        self.host = LocalHost(str(directory))
        self.layout = Layout(str(directory / "store"))
        self.boots = directory / "store" / "boots"
        self.boots.mkdir(parents=True)
        Path(self.layout.locks).mkdir()
        self.image = directory / "образ.raw"
        with self.image.open("wb") as file:
            file.write(b"\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa")
            file.truncate(1024**2)

    def keep(self) -> Place:
        """Let a guest run by the name."""
        with claimed(self.host, str(self.boots)) as place:
            machine.start(self.host, place, ["sh", "-c", "while :; do sleep 0.1; done", place.directory], 60)
            machine.keep(place)
        state = {"request": "of another", "image": "x", "boot": None, "guest": {"directory": place.directory}}
        (self.boots / f"{NAME}.json").write_text(json.dumps(state))
        return place

    def run(self, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        defaults = {name: option.get("default") for name, option in boot_argument_spec().items()}
        return manage_boot(self.host, {**defaults, "store": self.layout.root, "accel": "tcg", **options}, check_mode)

    def absent(self) -> dict[str, t.Any]:
        return self.run(name=NAME, state="absent")


@pytest.fixture(name="store")
def fixture_store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    for path in store.boots.glob("boot-*"):
        machine.stop(Place(str(path)))


def test_absent_ends_the_guest_that_another_run_is_about_to_name(store: Store) -> None:
    first = store.keep()
    with ThreadPoolExecutor(1) as pool:
        with store.layout.lock(f"boot:{NAME}"):
            ended = pool.submit(store.absent)
            time.sleep(0.5)
            assert first.is_alive() and not ended.done()
            # What a run with keep_running does meanwhile.
            machine.stop(first)
            second = store.keep()
        assert ended.result()["changed"]
    assert not second.is_alive()
    assert os.listdir(store.boots) == []
    assert not store.absent()["changed"]


def test_absent_in_a_store_where_nothing_was_ever_booted(tmp_path: Path, store: Store) -> None:
    empty = str(tmp_path / "empty")
    assert not store.run(name=NAME, state="absent", store=empty)["changed"]
    assert not os.path.exists(empty)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user_data": "users: []"}, "user_data does not begin with a line that tells"),
        ({"accel": "kvm"}, "accel: kvm was asked for"),
        ({"cpus": 0}, "cpus is 0"),
        ({"ssh": False}, "keep_running needs ssh"),
        ({"console_log": "/missing/log"}, "the directory of console_log /missing/log does not exist"),
    ],
)
def test_a_guest_runs_on_where_the_next_one_cannot_be(
    store: Store, options: dict[str, t.Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accel.probe, "__defaults__", ("/missing/kvm",))
    guest = store.keep()
    for check_mode in (True, False):
        with pytest.raises(GoldsmithError, match=message):
            store.run(check_mode, image=str(store.image), name=NAME, keep_running=True, **options)
    assert guest.is_alive()
    assert store.absent()["changed"]


def test_a_guest_is_ended_before_the_next_one_starts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    guest = store.keep()
    began: list[bool] = []

    def booted(*dummy: t.Any, **options: t.Any) -> t.NoReturn:
        began.append(guest.is_alive())
        raise GoldsmithError(options["image"])

    monkeypatch.setattr(image_boot, "booted", booted)
    with pytest.raises(GoldsmithError, match="образ"):
        store.run(image=str(store.image), name=NAME, keep_running=True)
    assert began == [False]
    assert os.listdir(store.boots) == []


def test_what_a_boot_may_show_is_as_it_was_asked_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[BootOptions] = []

    def booted(*positional: t.Any, **options: t.Any) -> t.NoReturn:
        given.extend(each for each in (*positional, *options.values()) if isinstance(each, BootOptions))
        raise GoldsmithError("seen")

    monkeypatch.setattr(image_boot, "booted", booted)
    allowed = {"allow_failed_units": ["a.*"], "allow_ordering_cycles": True, "allow_cloud_init_errors": True}
    for options in ({}, allowed):
        with pytest.raises(GoldsmithError, match="seen"):
            store.run(image=str(store.image), name=NAME, keep_running=True, **options)
    assert given == [
        BootOptions(accel="tcg"),
        BootOptions(accel="tcg", allow_failed_units=("a.*",), allow_ordering_cycles=True, allow_cloud_init_errors=True),
    ]


def test_a_log_never_takes_the_place_of_the_image(store: Store, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(store.image.name)
    for check_mode in (True, False):
        for path, what in ((store.image, "the image itself"), (link, "a symbolic link")):
            for keep_running in (True, False):
                asked = {"image": str(link), "name": NAME, "keep_running": keep_running, "console_log": str(path)}
                with pytest.raises(GoldsmithError, match=f"console_log {path} is there, and is {what}"):
                    store.run(check_mode, **asked)
    assert link.is_symlink() and store.image.stat().st_size == 1024**2


def test_check_mode_knows_a_store_that_cannot_be(store: Store) -> None:
    for options in ({}, {"keep_running": True, "name": NAME}):
        with pytest.raises(GoldsmithError, match=r"a boot of .* needs 64 MiB in /proc, and 0 B are free there"):
            store.run(True, image=str(store.image), store="/proc/store", **options)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("long", "max_lifetime: 'long' is not an age. Write a whole number"),
        ("99999999999d", "max_lifetime: '99999999999d' is not an age"),
        ("366d", "max_lifetime is 366d. Give a year at the most"),
    ],
)
def test_lifetimes_that_cannot_be(store: Store, given: str, message: str) -> None:
    for keep_running in (True, False):
        with pytest.raises(GoldsmithError, match=message):
            store.run(True, image=str(store.image), name=NAME, keep_running=keep_running, max_lifetime=given)
    assert store.run(True, image=str(store.image), name=NAME, keep_running=True, max_lifetime="365d")["changed"]


@pytest.mark.parametrize("content", ["no JSON", "{}", '{"guest": {"directory": 1}}', '{"guest": {"directory": "/x"}}'])
def test_a_damaged_state_is_told_and_can_be_moved_away(store: Store, content: str) -> None:
    state = store.boots / f"{NAME}.json"
    state.write_text(content)
    for check_mode in (True, False):
        for options in ({"state": "absent"}, {"image": str(store.image), "keep_running": True}):
            with pytest.raises(GoldsmithError, match=f"{state} is damaged: .* Move it away, and run again"):
                store.run(check_mode, name=NAME, **options)
    state.unlink()
    assert not store.absent()["changed"]


@pytest.mark.parametrize("option", ["image", "console_log", "store"])
def test_an_empty_path_is_not_the_working_directory(store: Store, option: str) -> None:
    asked = {"image": str(store.image), option: ""}
    with pytest.raises(GoldsmithError, match=f"^{option} is empty. Give a path; what may be left out"):
        store.run(True, **asked)


def test_a_name_is_needed_only_where_a_guest_is_left(store: Store) -> None:
    assert store.run(True, image=str(store.image))["changed"] is False
    for options in ({"keep_running": True}, {"state": "absent"}):
        with pytest.raises(GoldsmithError, match=r"the name '.*' cannot be used. Give one by the option name"):
            store.run(True, image=str(store.image), **options)
