# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in builds by virt_customize, and in which words; on tiny images, as each launch counts."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    CommandError,
    GoldsmithError,
    StepError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Run, Upload, Write
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .doomed_images import until
from .engine_builds import ENGINE, build_on, build_steps, step
from .tiny_image import SIZE, tiny_image

pytestmark = pytest.mark.slow

SECRET = "secret-5f1e7c02b9"


@pytest.fixture(name="tiny", scope="module")
def fixture_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_image(tmp_path_factory.mktemp("tiny") / "tiny.raw")


@pytest.fixture(name="blank")
def fixture_blank(tmp_path: Path) -> Path:
    blank = tmp_path / "blank.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", blank, "64M"], check=True)
    return blank


def test_what_a_step_leaves_running_is_stopped(tiny: Path, tmp_path: Path) -> None:
    """And its secrets are masked wherever they are printed, and `exit` ends no more than its step."""
    built = build_steps(
        tiny,
        tmp_path / "work",
        step(1, Run(f"setsid sleep 1000 </dev/null >/dev/null 2>&1 &\nsleep 0.2\necho {SECRET}")),
        step(2, Write(f"{SECRET}\n", "/etc/key"), Run("cat /etc/key; exit 0; false"), secrets=frozenset({SECRET})),
        step(3, Run("for name in /proc/[0-9]*/comm; do cat $name || :; done 2>/dev/null", timeout=60), timeout=60),
    )
    assert len(built.warnings) == 1
    assert built.warnings[0].startswith("step 1 (Run) left processes running, which were stopped: sleep (")
    assert "sleep\n" not in built.report.log
    assert f"==> warning: {built.warnings[0]}\n" in built.report.log
    assert SECRET not in built.report.log
    assert built.report.log.count("********\n") == 2
    assert built.report.os_release == {"ID": "tiny", "VERSION_ID": "1"}


def test_a_step_has_one_time_for_all_it_does(tiny: Path, tmp_path: Path) -> None:
    hanging = step(2, Run("sleep 3; echo first"), Run("echo second; sleep 600", timeout=500), timeout=6)
    with pytest.raises(StepError) as caught:
        build_steps(tiny, tmp_path / "work", step(1, Run("sleep 5")), hanging)
    assert caught.value.cause == (
        "step 2 (Run) was stopped, because its timeout was over; the last that it printed:\nsecond"
    )


def test_a_disk_that_is_full(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(StepError) as caught:
        build_on(tiny, tmp_path / "work", Write("x", "/opt/first"), Write("x" * SIZE, "/opt/second"))
    assert caught.value.cause.startswith("step 2 (Write) failed with exit status 1, because the image's disk is full:")
    assert caught.value.way_out == "Give the image a larger disk by size, such as size: 10G"


def test_an_upload_that_does_not_fit(tiny: Path, tmp_path: Path) -> None:
    fits, large = tmp_path / "fits", tmp_path / "large"
    fits.write_bytes(b"x")
    large.write_bytes(b"x" * SIZE)
    with pytest.raises(StepError) as caught:
        build_on(tiny, tmp_path / "work", Upload(str(fits), "/opt/fits"), Upload(str(large), "/opt/large"))
    assert caught.value.cause.startswith("step 2 (Upload) failed, because the image's disk is full:")


def test_a_step_that_needs_more_memory(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(StepError) as caught:
        build_steps(tiny, tmp_path / "work", step(1, Run("tail -n 1 </dev/zero; echo never")), memsize=256)
    assert caught.value.cause.startswith("step 1 (Run) failed with exit status 137, because something killed its")
    assert "give it more by memsize" in caught.value.way_out


@contextlib.contextmanager
def crashing_once(directory: Path) -> Iterator[None]:
    """The first QEMU with a disk in this directory crashes as soon as it runs."""

    crash = ["pkill", "--signal", "SEGV", "--full", "--", f"qemu-system.*file={directory}/"]

    def crashed() -> bool:
        return subprocess.run(crash, check=False).returncode == 0

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(until, crashed)
        yield
        waiting.result()


def test_a_qemu_that_crashes_before_the_appliance_is_up(tiny: Path, tmp_path: Path) -> None:
    """Without KVM that happens now and then. The second time it is an error."""
    with crashing_once(tmp_path):
        built = build_steps(tiny, tmp_path / "work", step(1, Run("echo there")))
    assert "there" in built.report.log
    assert len(built.warnings) == 1
    assert built.warnings[0].startswith("libguestfs' appliance did not start, and nothing tells why: starting it once")


def test_an_appliance_with_too_little_memory(blank: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        build_steps(blank, tmp_path / "work", step(1, Run("true")), memsize=128)
    assert caught.value.cause.startswith("libguestfs starts no appliance with so small a memsize: too small value for")
    assert caught.value.way_out == "Give it at least memsize: 256, or leave memsize out"


def test_an_image_without_a_system(blank: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="libguestfs found no operating system in the image"):
        build_on(blank, tmp_path / "work", Run("true"))


@pytest.mark.skipif(shutil.which("cryptsetup", path="/usr/sbin:/sbin") is None, reason="needs cryptsetup")
def test_an_encrypted_image(tmp_path: Path) -> None:
    luks, image = tmp_path / "luks", tmp_path / "encrypted.raw"
    with open(luks, "wb") as file:
        file.truncate(32 * 1024**2)
    quick = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
    subprocess.run(["cryptsetup", "luksFormat", "-q", *quick, luks, "-"], input=b"x", check=True)
    with open(image, "wb") as file:
        file.seek(2 * 1024**2)
        file.write(luks.read_bytes() + bytes(1024**2))
    table = "label: gpt\nstart=2048,size=2048\nstart=4096\n"
    subprocess.run(["sfdisk", "-q", image], input=table, text=True, check=True)
    with pytest.raises(CommandError, match=r"the image, or a part of it, is encrypted \(LUKS\)"):
        build_on(image, tmp_path / "work", Run("true"))


def test_an_image_with_two_systems(tmp_path: Path) -> None:
    image = tiny_image(tmp_path / "two.raw", systems=2)
    with pytest.raises(CommandError, match="libguestfs found more than one operating system in the image"):
        build_on(image, tmp_path / "work", Run("true"))
    with pytest.raises(CommandError, match="libguestfs found more than one operating system in the image"):
        ENGINE.os_release(LocalHost(str(tmp_path)), str(image), str(tmp_path), "auto")


def test_the_system_of_an_image(tiny: Path, tmp_path: Path) -> None:
    before = tiny.read_bytes()
    assert ENGINE.os_release(LocalHost(str(tmp_path)), str(tiny), str(tmp_path), "auto") == {
        "ID": "tiny",
        "VERSION_ID": "1",
    }
    assert tiny.read_bytes() == before


def test_the_system_of_an_image_that_has_none(blank: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="libguestfs found no operating system in the image"):
        ENGINE.os_release(LocalHost(str(tmp_path)), str(blank), str(tmp_path), "auto")


def test_a_system_that_does_not_say_what_it_is(tiny: Path, tmp_path: Path) -> None:
    image = tmp_path / "unnamed.raw"
    shutil.copyfile(tiny, image)
    subprocess.run(["debugfs", "-w", "-R", "rm /usr/lib/os-release", image], check=True, capture_output=True)
    with pytest.raises(GoldsmithError, match="does not say what it is"):
        ENGINE.os_release(LocalHost(str(tmp_path)), str(image), str(tmp_path), "auto")
