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
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot import console, guest_report, machine, ports, qemu
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.model import BootError, BootOptions
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.place import Place, claimed
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError, GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.disk import qemu_img
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import accel
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows import boot
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.boot_preflight import choose_accel
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.image_boot import boot_argument_spec, manage_boot
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.small_tmpfs import small_tmpfs

from .doomed_images import changed_image, check, processes, refused, silent, sound_image, until
from .mounted import ROOT_LABEL
from .plays import PLAYBOOK, environment, run_module, run_plays, run_tasks
from .spare_host import spare_host

MODULE = "goldsmith.kvm.image_boot"
POWER_OFF = b"\xba\x04\x06\xb8\x00\x20\xef\xf4"
"""One that writes the command to power off to QEMU's port for that: mov dx, 0x604; mov ax, 0x2000; out dx, ax; hlt."""


def arguments(path: Path, word: str, replacement: str) -> None:
    """Change the kernel's arguments."""
    config = path / "grub/grub.cfg"
    text = config.read_text()
    assert word in text
    config.write_text(text.replace(word, replacement))


def test_a_disk_without_boot_loader(tmp_path: Path) -> None:
    blank = tmp_path / "blank.raw"
    with blank.open("wb") as file:
        file.truncate(16 * 1024**2)
    for firmware in ("bios", "uefi"):
        error = refused(tmp_path, blank, firmware=firmware)
        assert error.stage == "firmware"
        assert f"{blank} does not boot: the firmware found no boot loader on the disk. Put a boot loader" in str(error)
    assert "BdsDxe" in error.console


def test_a_disk_for_uefi_alone(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(64 * 1024**2)
    subprocess.run(["sfdisk", "-q", disk], input="label: gpt\nstart=2048,type=U\n", text=True, check=True)
    log = tmp_path / "console.txt"
    log.write_text("of an earlier boot\n")
    error = refused(tmp_path, disk, timeout=60, console_log=str(log))
    assert (error.stage, "BdsDxe" in error.console) == ("firmware", True)
    assert "BdsDxe" in log.read_text()


def test_a_log_stays_where_nothing_was_started(tmp_path: Path) -> None:
    log = tmp_path / "console.txt"
    log.write_text("of an earlier boot\n")
    error = check(tmp_path, silent(tmp_path), user_data="no header", console_log=str(log))
    assert "user_data does not begin with a line" in str(error)
    assert log.read_text() == "of an earlier boot\n"
    with small_tmpfs(tmp_path / "small", "32m") as small:
        assert "silent.raw needs 64 MiB in " in str(check(small, silent(tmp_path), console_log=str(log)))
    assert log.read_text() == "of an earlier boot\n"


def test_a_boot_loader_that_hangs(tmp_path: Path) -> None:
    image = silent(tmp_path)
    before = image.read_bytes()
    began = time.monotonic()
    # As if the image had come there while it booted: before, preflight looks.
    error = refused(tmp_path, image, timeout=10, console_log=str(image))
    assert 10 <= time.monotonic() - began < 40
    assert error.stage == "boot_loader"
    assert "silent.raw did not boot within 10 seconds: the boot loader did not start a kernel" in str(error)
    assert error.details["console"][-1] == "Booting from Hard Disk..."
    assert image.read_bytes() == before


def test_what_a_guest_prints_of_its_seed_is_masked(tmp_path: Path) -> None:
    """Also where the log cannot be written; that is a warning."""
    image = silent(tmp_path, says="\r\nopen hunter2-of-the-seed, default 0\r\n")
    seed = {"chpasswd": {"users": [{"name": "root", "password": "hunter2-of-the-seed"}]}, "swap": {"size": 0}}
    with small_tmpfs(tmp_path / "logs", "4k") as logs:
        (logs / "full").write_bytes(bytes(4096))
        asked: dict[str, t.Any] = {"image": str(image), "user_data": seed, "console_log": str(logs / "console.txt")}
        failed = run_module(MODULE, **asked, store=str(tmp_path / "store"), accel="tcg", timeout=10)
        assert os.listdir(logs) == ["full"]
    assert failed["console"][-1] == "open ********, default 0"
    assert f"{image} did not boot within 10 seconds" in failed["msg"]
    assert "hunter2" not in json.dumps(failed)
    assert any("console_log was not written: no space left" in warning for warning in failed["warnings"])


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
def test_a_stage_of_cloud_init_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guest itself tells of it, before the time is over; and so does the console."""
    base, report = sound_image(), guest_report.vendor_data
    # Earlier than by the time-out, which a busy machine needs to come so far.
    monkeypatch.setattr(guest_report, "vendor_data", lambda key, limit: report(key, min(limit, 120)))
    error = refused(tmp_path, base, "qcow2", timeout=900, user_data={"bootcmd": [["sleep", "9999"]]})
    assert error.stage == "cloud_init"
    assert f"{base} booted, but cloud-init did not come further than its stage init" in str(error)
    assert error.boot is not None
    assert error.boot.cloud_init.stage == "init"
    assert "cloud-init.service" in error.boot.unfinished_jobs
    found = console.hung(error.console, reporting=True)
    assert (found.stage, "did not come further than its stage init" in found.reason) == ("cloud_init", True)


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
        free, first = ports.free, iter([port])
        monkeypatch.setattr(ports, "free", lambda: next(first, None) or free())
        assert refused(tmp_path, image, timeout=10).stage == "boot_loader"
        monkeypatch.setattr(ports, "require_free", lambda dummy: None)
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


def test_two_guests_of_one_name_at_once(tmp_path: Path, host: LocalHost) -> None:
    """The first one ends a guest that was kept, the second one waits for the first one's end."""
    boots = tmp_path / "store" / "boots"
    boots.mkdir(parents=True)
    with claimed(host, str(boots)) as kept:
        machine.start(host, kept, ["sleep", "600"], 600)
        machine.keep(kept)
    state = {"request": "x", "image": "x", "boot": None, "guest": {"directory": kept.directory}}
    (boots / "web.json").write_text(json.dumps(state))
    asked = options_of(tmp_path, name="web", image=str(silent(tmp_path)), keep_running=True, timeout=10)
    seen: set[int] = set()
    with ThreadPoolExecutor(2) as pool:
        attempts = [pool.submit(manage_boot, LocalHost(str(tmp_path)), asked, False) for dummy in range(2)]
        while not all(attempt.done() for attempt in attempts):
            seen.add(len(list(boots.glob("boot-*"))))
            time.sleep(0.1)
    assert [isinstance(attempt.exception(), BootError) for attempt in attempts] == [True, True]
    assert max(seen) == 1
    assert not kept.is_alive()
    assert os.listdir(boots) == []


def test_a_guest_that_is_kept_ends_when_its_lifetime_is_over(tmp_path: Path, host: LocalHost) -> None:
    with claimed(host, str(tmp_path)) as place:
        qemu_img.create_overlay(host, str(silent(tmp_path)), "raw", place.disk)
        place.write(place.seed, " " * 512)
        files = (place.disk, place.seed, place.console, place.report)
        guest = qemu.Guest("silent", *files, accel="tcg", memory=128 * 1024**2, cpus=1, ssh_port=ports.free())
        machine.start(host, place, qemu.command_line(qemu.PROGRAM, guest), 5)
        until(lambda: b"Booting from Hard Disk" in place.read(place.console))
        machine.keep(place)
    assert place.is_alive() and processes(tmp_path)
    until(lambda: not os.path.exists(place.directory))
    assert processes(tmp_path) == []


def options_of(directory: Path, **options: t.Any) -> dict[str, t.Any]:
    """The module's parameters."""
    defaults = {name: option.get("default") for name, option in boot_argument_spec().items()}
    return {**defaults, "store": str(directory / "store"), "accel": "tcg", **options}


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
    params = options_of(tmp_path, name="silent", state="absent")
    state = {"request": "x", "image": "x", "boot": None, "guest": {"directory": str(abandoned)}}
    (boots / "silent.json").write_text(json.dumps(state))
    keep = {**params, "state": "present", "image": str(silent(tmp_path)), "keep_running": True}
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
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "image is missing"),
        ({"image": "/missing.qcow2"}, "the image /missing.qcow2 cannot be read: No such file or directory"),
        ({"memory": "16M"}, "memory is 16 MiB. Give at least 128M"),
        ({"memory": "much"}, "memory is 'much', which is not a size"),
        ({"cpus": 0}, "cpus is 0. Give a number from 1 to 255"),
        ({"timeout": 1}, "timeout is 1. Give a number from 10 to 86400"),
        ({"ssh_port": 70000}, "ssh_port is 70000. Give a number from 1 to 65535"),
        ({"disk_size": "1M"}, "disk_size is less than the image's own 16777216 bytes"),
        ({"console_log": "/missing/log"}, "the directory of console_log /missing/log does not exist"),
        ({"name": "a/b"}, "the name 'a/b' cannot be used"),
        ({"keep_running": True, "ssh": False}, "keep_running needs ssh"),
        ({"keep_running": True, "max_lifetime": "long"}, "max_lifetime: 'long' is not an age"),
        ({"user_data": "runcmd: []\n"}, "user_data does not begin with a line that tells cloud-init what it is"),
        ({"network_config": {"ethernets": {}}}, "network_config has no version"),
    ],
)
def test_bad_options(options: dict[str, t.Any], message: str, tmp_path: Path, host: LocalHost) -> None:
    given = {"image": str(silent(tmp_path)), "name": "x"} if options else {}
    with pytest.raises(GoldsmithError) as found:
        manage_boot(host, options_of(tmp_path, **{**given, **options}), False)
    assert message in str(found.value)
    assert processes(tmp_path / "store") == []


def test_texts_that_are_no_yaml(tmp_path: Path) -> None:
    """The controller says so, as for seed_iso, and nothing of them is shown."""
    given = {"image": str(silent(tmp_path)), "accel": "tcg", "store": str(tmp_path / "store")}
    broken = "#cloud-config\nusers: [{passwd: hunter2}\nb: 1\n"
    tasks = [
        {MODULE: {**given, "user_data": broken}},
        {MODULE: {**given, "network_config": "version: 2\nethernets: {hunter2"}},
        {MODULE: {**given, "user_data": "#cloud-config\nruncmd: [id]\n", "network_config": "version: 2\n"}},
        {MODULE: {**given, "user_data": broken, "name": "x", "state": "absent"}},
    ]
    user_data, network_config, sound, absent = run_tasks(tasks, "--check", ignore_errors=True)
    assert "user_data is no YAML: line 3, column 1: expected ',' or ']'" in user_data["msg"]
    assert "network_config is no YAML: line 2, column 20: expected ',' or '}'" in network_config["msg"]
    assert "hunter2" not in json.dumps([user_data, network_config, absent])
    assert not sound.get("failed") and sound["image"] == given["image"]
    assert not absent.get("failed")


def test_kvm_that_has_to_work(tmp_path: Path, host: LocalHost) -> None:
    works = accel.probe(host).works
    assert choose_accel(host, "tcg") == "tcg"
    assert choose_accel(host, "auto") == ("kvm" if works else "tcg")
    if works:
        assert host.warnings == []
        assert choose_accel(host, "kvm") == "kvm"
        return
    assert "booting with TCG, which takes one to two minutes; accel: tcg silences this" in host.warnings[0]
    with pytest.raises(BadRequestError, match=r"accel: kvm was asked for, but /dev/kvm"):
        choose_accel(host, "kvm")
