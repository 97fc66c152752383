# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_fetch when something on this host breaks: a full disk, a killed run, two runs at once."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    MissingProgramError,
    StoreError,
)
from ansible_collections.goldsmith.kvm.tests.fixtures.mirror import (
    Mirror,
)
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Fault, Server
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .fetching import IMAGES, Fetching, part_size, sha256, small_file_system, wait_for

# What breaks on this host


def test_too_small_a_disk_is_refused_before_the_first_byte(fetch: Fetching) -> None:
    with small_file_system(fetch.store, "1500k"):
        with pytest.raises(StoreError, match=r"is too small .* MiB are needed") as refused:
            fetch()
        assert fetch.images == []
        assert part_size(fetch) == 0
        assert str(fetch.store) in str(refused.value)


def test_a_disk_that_becomes_full_while_writing(fetch: Fetching, server: Server, mirror: Mirror) -> None:
    with small_file_system(fetch.store, "5m"):
        filler = fetch.store / "filler"

        def fill() -> None:
            wait_for(lambda: part_size(fetch) > 0)
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))

        thread = threading.Thread(target=fill)
        thread.start()
        server.faults.add(Fault(IMAGES, rate=1_000_000))
        with pytest.raises(StoreError) as refused:
            fetch(connections=1)
        thread.join()
        assert str(fetch.store) in str(refused.value)
        assert fetch.images == []
        kept = part_size(fetch)
        assert kept > 0

        filler.unlink()
        server.faults.clear()
        result = fetch()
        assert 0 < result["transfer"]["resumed_from"] <= kept
        assert sha256(result["image"]["path"]) == f"sha256:{mirror.item().sha256}"


def test_a_killed_run_leaves_nothing_visible_and_the_next_goes_on(
    fetch: Fetching, server: Server, mirror: Mirror
) -> None:
    server.faults.add(Fault(IMAGES, rate=1_000_000))
    process = fetch.start(connections=1)
    wait_for(lambda: part_size(fetch) > 500_000)
    process.kill()
    process.communicate()
    assert fetch.images == []

    server.faults.clear()
    result = fetch()
    assert result["transfer"]["resumed_from"] > 0
    assert sha256(result["image"]["path"]) == f"sha256:{mirror.item().sha256}"
    assert fetch.leftovers == []


def test_killed_between_publishing_and_recording(fetch: Fetching, server: Server) -> None:
    fetched = fetch()
    shutil.rmtree(fetch.store / "records")
    server.log.clear()

    result = fetch()

    assert result["image"] == fetched["image"]
    assert server.requests(IMAGES) == []
    assert fetch()["changed"] is False


def test_two_runs_at_once_fetch_once(fetch: Fetching, server: Server, mirror: Mirror) -> None:
    server.faults.add(Fault(IMAGES, rate=3_000_000))
    runs = [fetch.start(), fetch.start()]
    results = [json.loads(run.communicate()[0]) for run in runs]

    assert sorted(result["changed"] for result in results) == [False, True]
    assert len({result["image"]["path"] for result in results}) == 1
    assert server.bytes_sent(IMAGES) == mirror.item().size
    assert fetch.leftovers == []


def test_a_file_that_vanished_is_fetched_again(fetch: Fetching) -> None:
    path = Path(fetch()["image"]["path"])
    path.unlink()

    assert fetch(check_mode=True)["changed"]
    assert fetch()["changed"]
    assert path.exists()


def test_a_file_that_was_written_to_is_refused_and_not_touched(fetch: Fetching) -> None:
    path = Path(fetch()["image"]["path"])
    path.chmod(0o644)
    path.write_bytes(b"the disk of somebody's guest")

    for check_mode in (True, False):
        with pytest.raises(StoreError, match="is not what was verified"):
            fetch(check_mode=check_mode)
    assert path.read_bytes() == b"the disk of somebody's guest"


class HostWithout(LocalHost):
    """A host on which some programs are not installed."""

    missing: t.ClassVar[tuple[str, ...]] = ("gpgv", "qemu-img")

    def which(self, program: str) -> str | None:
        return None if program in self.missing else super().which(program)


def test_without_the_programs_check_mode_still_tells(fetch: Fetching, mirror: Mirror, server: Server) -> None:
    fetch.host = HostWithout(fetch.host.tmpdir)

    predicted = fetch(check_mode=True)

    assert predicted["image"]["digest"] == f"sha256:{mirror.item().sha256}"
    assert len(fetch.host.warnings) == 2
    with pytest.raises(MissingProgramError, match="gpgv"):
        fetch()
    with pytest.raises(MissingProgramError, match="qemu-utils"):
        fetch(verify="none")
    assert server.requests(IMAGES) == []


def test_a_store_that_cannot_be_written(fetch: Fetching) -> None:
    with small_file_system(fetch.store, "10m"):
        subprocess.run(["mount", "-o", "remount,ro", fetch.store], check=True)
        assert fetch(check_mode=True)["changed"]
        with pytest.raises(StoreError, match="cannot be written"):
            fetch()
