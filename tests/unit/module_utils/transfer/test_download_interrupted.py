# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Downloads when anything may go wrong at once, the machine goes away, or the disk is full."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    StoreError,
    TransferError,
    VerificationError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.transfer import download as download_module
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Fault
from ansible_collections.goldsmith.kvm.tests.unit.small_tmpfs import small_tmpfs

from .conftest import Bench

# Anything at once


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    kind = draw(st.sampled_from(["cut", "truncate", "no_ranges", "no_validators", "status", "replace"]))
    value: object = True
    if kind in ("cut", "truncate"):
        value = draw(st.integers(0, 30_000))
    elif kind == "status":
        value = draw(st.sampled_from([404, 500, 503]))
    elif kind == "replace":
        value = "other.img"
    return Fault(after=draw(st.integers(0, 6)), times=draw(st.integers(1, 3)), **{kind: value})


@pytest.mark.usefixtures("eager")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(faults(), max_size=4),
    st.sampled_from([1, 3]),
    st.integers(1000, 9000),
    st.none() | st.tuples(st.integers(0, 31_000), st.booleans()),
    st.booleans(),
)
def test_right_or_refused(
    bench: Bench, spoilt: list[Fault], connections: int, chunk: int, left: tuple[int, bool] | None, sized: bool
) -> None:
    """Whatever happens, the file is right or there is an error, and the run after that succeeds."""
    data = random.Random(3).randbytes(30_000)
    bench.data = data
    bench.publish(data)
    bench.publish(random.Random(4).randbytes(30_000), "other.img")
    for path in (bench.part, bench.sidecar):
        path.unlink(missing_ok=True)
    if left is not None:
        bench.part.write_bytes((data if left[1] else bytes(40_000))[: left[0]])
    options = {"connections": connections, "chunk_size": chunk, "retries": 2, "first_pause": 0.0}
    bench.server.faults.clear()
    for fault in spoilt:
        bench.server.faults.add(fault)
    try:
        bench.check(bench.fetch(size=len(data) if sized else None, **options))
    except (TransferError, VerificationError):
        bench.server.faults.clear()
        bench.check(bench.fetch(**options))


# The machine goes away, or is full

_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.goldsmith.kvm.plugins.module_utils.transfer.download import download
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
download(LocalHost("/"), [sys.argv[2]], sys.argv[3], expected=sys.argv[4], chunk_size=65536)
"""


def test_killed_and_resumed(bench: Bench) -> None:
    bench.server.faults.add(Fault(rate=300_000))
    arguments = [_collections_root(), bench.url, str(bench.part), bench.digest]
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM, *arguments])
    deadline = time.monotonic() + 20
    while not (bench.part.exists() and bench.part.stat().st_size > 100_000):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    bench.server.faults.clear()
    transferred = bench.fetch()
    bench.check(transferred)
    assert transferred.resumed_from > 100_000


def _collections_root() -> str:
    """The directory below which Python finds ``ansible_collections``."""
    return str(Path(download_module.__file__).parents[6])


def test_no_room_is_told_before_the_first_byte(bench: Bench, tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "small", "1M") as small:
        bench.directory = small
        with pytest.raises(StoreError, match=rf"the file system at {small} is too small .* needed .* free.*Free some"):
            bench.fetch()
        assert bench.part.stat().st_size == 0


def test_disk_full_while_writing(bench: Bench, tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "small", "3M") as small:
        bench.directory = small
        bench.server.faults.add(Fault(rate=1_000_000))
        filler = small / "filler"

        def fill() -> None:
            while bench.server.bytes_sent() < 200_000:
                time.sleep(0.01)
            with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(65536))

        thread = threading.Thread(target=fill)
        thread.start()
        with pytest.raises(StoreError, match=rf"the file system at {small} became full while writing"):
            bench.fetch(connections=1)
        thread.join()
        filler.unlink()
        bench.server.faults.clear()
        transferred = bench.fetch()
        bench.check(transferred)
        assert transferred.resumed_from > 0


def test_a_link_in_place_of_the_part_is_refused(bench: Bench) -> None:
    victim = bench.directory / "victim"
    bench.part.symlink_to(victim)
    with pytest.raises(StoreError, match="cannot be written or read"):
        bench.fetch()
    assert not victim.exists()
