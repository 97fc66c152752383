# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that do not boot, and boots that are disturbed: real guests that come to their end within seconds."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import time
import typing as t
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.model import BootError, BootOptions
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.place import Place
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError, GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import accel
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows import boot
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.image_boot import boot_argument_spec, manage_boot
from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .mounted import ROOT_LABEL, mounted
from .plays import PLAYBOOK, environment, run_module, run_plays
from .spare_host import spare_host

MODULE = "goldsmith.kvm.image_boot"
PATIENCE = 60
HALT = b"\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa"
"""A boot loader that does nothing."""
POWER_OFF = b"\xba\x04\x06\xb8\x00\x20\xef\xf4"
"""One that writes the command to power off to QEMU's port for that: mov dx, 0x604; mov ax, 0x2000; out dx, ax; hlt."""


def silent(directory: Path, name: str = "silent") -> Path:
    """An image whose boot loader says nothing, ever."""
    path = directory / f"{name}.raw"
    with path.open("wb") as file:
        file.write(HALT)
        file.truncate(16 * 1024**2)
    return path


def changed_image(directory: Path, change: Callable[[Path], t.Any], label: str = "BOOT") -> Path:
    """The test image, with something done to the file system with this label."""
    path = directory / "changed.qcow2"
    base = next(image.path for image in reversed(base_image.ensure()) if image.lineage == "server")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, path], check=True)
    with mounted(path, label, writable=True) as root:
        change(root)
    return path


def arguments(path: Path, word: str, replacement: str) -> None:
    """Change the kernel's arguments."""
    config = path / "grub/grub.cfg"
    text = config.read_text()
    assert word in text
    config.write_text(text.replace(word, replacement))


def processes(directory: Path) -> list[int]:
    """What runs with something in this directory among its arguments."""
    found = subprocess.run(["pgrep", "--full", "--", f"{directory}/boot-"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def until(what: Callable[[], t.Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def check(directory: Path, image: Path, image_format: str = "raw", **options: t.Any) -> GoldsmithError:
    """Why an image does not boot. Nothing is left of the attempt."""
    work = directory / "work"
    work.mkdir(exist_ok=True)
    host = LocalHost(str(directory))
    asked = BootOptions(accel="tcg", **{"timeout": 300, **options})
    with pytest.raises(GoldsmithError) as refused:
        boot.check_boot(host, image=str(image), format=image_format, workdir=str(work), options=asked)
    assert os.listdir(work) == []
    until(lambda: processes(work) == [])
    return refused.value


def refused(directory: Path, image: Path, image_format: str = "raw", **options: t.Any) -> BootError:
    error = check(directory, image, image_format, **options)
    assert isinstance(error, BootError), error
    return error


def test_a_disk_without_boot_loader(tmp_path: Path) -> None:
    blank = tmp_path / "blank.raw"
    with blank.open("wb") as file:
        file.truncate(16 * 1024**2)
    for firmware in ("bios", "uefi"):
        error = refused(tmp_path, blank, firmware=firmware)
        assert error.stage == "firmware"
        assert f"{blank} does not boot: the firmware found no boot loader on the disk. Put a boot loader" in str(error)
    assert "BdsDxe" in error.console


def test_a_boot_loader_that_hangs(tmp_path: Path) -> None:
    began = time.monotonic()
    error = refused(tmp_path, silent(tmp_path), timeout=10)
    assert 10 <= time.monotonic() - began < 40
    assert error.stage == "boot_loader"
    assert "silent.raw did not boot within 10 seconds: the boot loader did not start a kernel" in str(error)
    assert error.details["console"][-1] == "Booting from Hard Disk..."


def test_a_guest_that_powers_itself_off(tmp_path: Path) -> None:
    image = silent(tmp_path)
    with image.open("r+b") as file:
        file.write(POWER_OFF)
    error = refused(tmp_path, image)
    assert error.stage == "boot_loader"
    assert "silent.raw did not come to the end of its boot: the guest powered itself off. See the last" in str(error)


@pytest.mark.slow
def test_grub_without_its_configuration(tmp_path: Path) -> None:
    error = refused(tmp_path, changed_image(tmp_path, lambda root: (root / "grub/grub.cfg").unlink()), "qcow2")
    assert error.stage == "boot_loader"
    assert "does not boot: GRUB found no configuration, and waits at its prompt. Repair it in the image" in str(error)


@pytest.mark.slow
def test_a_kernel_that_panics(tmp_path: Path) -> None:
    image = changed_image(tmp_path, lambda root: arguments(root, " ro ", " ro init=/bin/false "))
    error = refused(tmp_path, image, "qcow2")
    assert error.stage == "kernel"
    assert "does not boot: the kernel panicked: Attempted to kill init! exitcode=0x00000100. Look at the" in str(error)
    assert re.search(r"The console said:\n\[.*Kernel panic - not syncing: .*\n(.*\n)+\[.*\]  panic\+0x", str(error))


@pytest.mark.slow
def test_a_root_file_system_that_is_not_there(tmp_path: Path) -> None:
    image = changed_image(tmp_path, lambda root: arguments(root, "LABEL=cloudimg-rootfs", "LABEL=missing rootdelay=1"))
    error = refused(tmp_path, image, "qcow2")
    assert error.stage == "initramfs"
    assert "ALERT!  LABEL=missing does not exist." in str(error)


def fill(root: Path) -> None:
    """Leave no room at all, by files that take no room on the host."""
    number, size = 0, os.statvfs(root).f_bavail * os.statvfs(root).f_frsize
    while size >= 4096:
        number += 1
        with (root / f"var/filler{number}").open("wb") as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, size)
            continue
        size //= 2


@pytest.mark.slow
def test_a_full_disk(tmp_path: Path) -> None:
    image = changed_image(tmp_path, fill, ROOT_LABEL)
    error = refused(tmp_path, image, "qcow2", timeout=600)
    assert error.stage == "cloud_init"
    assert "does not boot: the disk is full, and cloud-init cannot work. Build the image larger, put less" in str(error)
    assert "No space left on device" in str(error)


def test_a_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = silent(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        failed = run_module(MODULE, image=str(image), ssh_port=port, store=str(tmp_path / "store"), accel="tcg")
        assert f"ssh_port {port} cannot be had on 127.0.0.1: another program listens there" in failed["msg"]
        # Taken between the look and QEMU's start: QEMU says so, and another one is tried.
        free = boot._free_port
        ports = iter([port])
        monkeypatch.setattr(boot, "_free_port", lambda: next(ports, None) or free())
        assert refused(tmp_path, image, timeout=10).stage == "boot_loader"
        monkeypatch.setattr(boot, "_require_free", lambda dummy: None)
        error = check(tmp_path, image, timeout=10, ssh_port=port)
        assert isinstance(error, BadRequestError)
        assert "Choose another port, or leave ssh_port out" in str(error)


def test_two_boots_at_once(tmp_path: Path) -> None:
    images = [silent(tmp_path, name) for name in ("one", "two")]
    work = tmp_path / "work"
    work.mkdir()

    def attempt(image: Path) -> BootError:
        options = BootOptions(accel="tcg", timeout=10)
        with pytest.raises(BootError) as found:
            boot.check_boot(
                LocalHost(str(tmp_path)), image=str(image), format="raw", workdir=str(work), options=options
            )
        return found.value

    with ThreadPoolExecutor(2) as pool:
        errors = list(pool.map(attempt, images))
    assert [error.stage for error in errors] == ["boot_loader", "boot_loader"]
    assert [image.name in str(error) for image, error in zip(images, errors)] == [True, True]
    assert os.listdir(work) == []


def started(directory: Path) -> tuple[BaseProcess, Place]:
    """A boot by a process of its own, when its guest runs."""
    work = directory / "work"
    work.mkdir()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=endless, args=(str(directory), str(silent(directory))))
    process.start()
    until(lambda: any(Place(str(path)).read(str(path / "console.log")) for path in work.iterdir()))
    (found,) = work.iterdir()
    return process, Place(str(found))


def endless(directory: str, image: str) -> None:
    options = BootOptions(accel="tcg", timeout=600)
    boot.check_boot(LocalHost(directory), image=image, format="raw", workdir=f"{directory}/work", options=options)


def test_a_boot_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    process, place = started(tmp_path)
    assert place.is_alive() and processes(tmp_path / "work")
    process.kill()
    process.join()
    until(lambda: os.listdir(tmp_path / "work") == [])
    until(lambda: processes(tmp_path / "work") == [])


def test_a_qemu_that_is_killed_is_an_error(tmp_path: Path) -> None:
    image = silent(tmp_path)
    work = tmp_path / "work"

    def kill() -> None:
        until(lambda: work.is_dir() and any((path / "console.log").exists() for path in work.iterdir()))
        time.sleep(1)
        (directory,) = work.iterdir()
        for pid in processes(work):
            # Others of the boot may end by themselves.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if "qemu-system" in os.path.basename(os.readlink(f"/proc/{pid}/exe")):
                    os.kill(pid, signal.SIGKILL)
        assert directory.is_dir()

    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(kill)
        error = refused(tmp_path, image)
        killed.result()
    assert "silent.raw did not come to the end of its boot: QEMU was ended from outside" in str(error)


def descendants(ancestor: int) -> list[int]:
    """The process, and all that it and they have started and that was not given away."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [(int(pid), int(parent)) for pid, parent in map(str.split, listed.splitlines())]
    found = [ancestor]
    for known in found:
        found += [pid for pid, parent in pairs if parent == known]
    return found


def test_a_play_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    """All of it at once, the module too."""
    store, image = tmp_path / "store", silent(tmp_path)
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        f"- hosts: localhost\n  gather_facts: false\n  tasks:\n    - {MODULE}:\n"
        f"        {{image: {image}, store: {store}, accel: tcg}}\n"
    )
    with subprocess.Popen(
        [PLAYBOOK, playbook],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as play:
        until(lambda: any(path.stat().st_size for path in (store / "boots").glob("*/console.log")))
        for pid in descendants(play.pid):
            os.kill(pid, signal.SIGKILL)
    until(lambda: os.listdir(store / "boots") == [])
    until(lambda: processes(store / "boots") == [])


def test_a_kept_guest_that_was_killed_is_noticed(tmp_path: Path, host: LocalHost) -> None:
    """As after a host lost its power: the state says that a guest runs, and nothing does."""
    boots = tmp_path / "store" / "boots"
    abandoned = boots / "boot-abandoned"
    abandoned.mkdir(parents=True)
    for name in ("owner", "alive", "kept", "disk.qcow2"):
        (abandoned / name).touch()
    params = {name: option.get("default") for name, option in boot_argument_spec().items()}
    params |= {"store": str(tmp_path / "store"), "name": "silent", "state": "absent"}
    state = {"request": "x", "image": "x", "boot": None, "guest": {"directory": str(abandoned)}}
    (boots / "silent.json").write_text(json.dumps(state))
    keep = {**params, "state": "present", "image": str(silent(tmp_path)), "keep_running": True, "accel": "tcg"}
    assert manage_boot(host, keep, True)["changed"]
    (tmp_path / "store" / "locks").mkdir()
    assert manage_boot(host, params, True)["changed"]
    assert manage_boot(host, params, False)["changed"]
    assert os.listdir(boots) == []
    assert not manage_boot(host, params, False)["changed"]


def test_without_uefi_firmware(tmp_path: Path) -> None:
    task = {MODULE: {"image": str(silent(tmp_path)), "firmware": "uefi", "accel": "tcg", "store": str(tmp_path / "s")}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task], "ignore_errors": True}
    program = spare_host(tmp_path / "spare", "rm -r usr/share/OVMF")
    (failed,) = run_plays([play], ansible_playbook=program).results
    assert "UEFI firmware is missing: /usr/share/OVMF has no OVMF_CODE_4M.fd with OVMF_VARS_4M.fd" in failed["msg"]
    assert "Install the package ovmf, or boot with firmware: bios." in failed["msg"]
    assert os.listdir(tmp_path / "s" / "boots") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "image is missing"),
        ({"image": "/missing.qcow2"}, "the image /missing.qcow2 cannot be read: No such file or directory"),
        ({"memory": "16M"}, "memory is 16 MiB. Give at least 128M"),
        ({"memory": "much"}, "memory is 'much', which is not a size"),
        ({"cpus": 0}, "cpus is 0. Give a number from 1 on"),
        ({"timeout": 1}, "timeout is 1. Give a number from 10 on"),
        ({"ssh_port": 70000}, "ssh_port is 70000. Give a number from 1 to 65535"),
        ({"disk_size": "1M"}, "disk_size is less than the image's own 16777216 bytes"),
        ({"console_log": "/missing/log"}, "the directory of console_log /missing/log does not exist"),
        ({"name": "a/b"}, "the name 'a/b' cannot be used"),
        ({"keep_running": True, "ssh": False}, "keep_running needs ssh"),
        ({"keep_running": True, "max_lifetime": "long"}, "'long' is not an age"),
        ({"user_data": "runcmd: []\n"}, "user_data does not begin with a line that tells cloud-init what it is"),
        ({"network_config": {"ethernets": {}}}, "network_config has no version"),
    ],
)
def test_bad_options(options: dict[str, t.Any], message: str, tmp_path: Path, host: LocalHost) -> None:
    params = {name: option.get("default") for name, option in boot_argument_spec().items()}
    given = {} if not options else {"image": str(silent(tmp_path)), "store": str(tmp_path / "store"), "accel": "tcg"}
    with pytest.raises(GoldsmithError) as found:
        manage_boot(host, {**params, **given, "name": "x", **options}, False)
    assert message in str(found.value)
    assert processes(tmp_path / "store") == []


def test_kvm_that_has_to_work(tmp_path: Path, host: LocalHost) -> None:
    works = accel.probe(host).works
    assert boot.choose_accel(host, "tcg") == "tcg"
    assert boot.choose_accel(host, "auto") == ("kvm" if works else "tcg")
    if works:
        assert host.warnings == []
        assert boot.choose_accel(host, "kvm") == "kvm"
        return
    assert "booting with TCG, which takes one to two minutes; accel: tcg silences this" in host.warnings[0]
    with pytest.raises(BadRequestError, match=r"accel: kvm was asked for, but /dev/kvm"):
        boot.choose_accel(host, "kvm")
