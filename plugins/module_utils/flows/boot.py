# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Booting a throwaway overlay of an image, and what that proves."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..boot import console, evidence, firmware, guest_report, judgement, machine, place, qemu, seed, seed_iso, ssh
from ..boot.model import Boot, BootError, BootOptions, Seconds
from ..boot.watch import Watched, watch
from ..common.errors import BadRequestError, CommandError
from ..common.host import Host
from ..disk import qemu_img
from ..engine import accel
from ..store.files import write_text

_PORT_TAKEN = "Could not set up host forwarding rule"
_PORT_TRIES = 5
_SSH_SECONDS = 120
LIFETIME = 180
"""Seconds that QEMU may outlive the time-out: to log in, and to be ended."""
_SEE = "See the last lines of the console, which the result has under console"
_WAYS_OUT = {
    "firmware": "Put a boot loader into the image, or choose the other firmware by the option firmware",
    "boot_loader": "Repair it in the image by update-grub or grub-install",
    "kernel": "Look at the kernel's arguments in the image, at root= and init= first",
    "initramfs": "Look at root= among the kernel's arguments, and at what update-initramfs puts in",
    "systemd": "Look at /etc/fstab and at the units that the console names, or raise timeout",
    "cloud_init": "Look at what it waits for, or raise timeout",
}


@dataclass(frozen=True)
class Guest:
    """A guest that booted well, and runs."""

    place: place.Place
    boot: Boot
    port: int
    credentials: ssh.Credentials


@dataclass(frozen=True)
class _Prepared:
    """All that QEMU needs but the port."""

    place: place.Place
    image: str
    credentials: ssh.Credentials
    accel: str
    uefi: qemu.Uefi | None
    program: str


def check_boot(host: Host, *, image: str, format: str, workdir: str, options: BootOptions) -> Boot:
    """Boot an overlay of ``image`` in a directory of its own below ``workdir``, and end it.

    The image, of QEMU's format ``format``, is only read. Raises BootError where it does not boot well, with what was
    found in ``details`` and what the console said in ``console``; other GoldsmithErrors where it could not be tried.
    """
    with booted(host, image=image, image_format=format, workdir=workdir, options=options) as guest:
        return guest.boot


@contextlib.contextmanager
def booted(
    host: Host, *, image: str, image_format: str, workdir: str, options: BootOptions, lifetime: float = 0
) -> Iterator[Guest]:
    """As :func:`check_boot`; the guest runs until the end of the ``with``.

    ``machine.keep(guest.place)`` within that lets it run on, for ``lifetime`` seconds at the most.
    """
    program = host.require(qemu.PROGRAM, qemu.PACKAGE)
    accelerator = choose_accel(host, options.accel)
    with place.claimed(host, workdir) as here:
        prepared = _prepare(host, here, program, accelerator, image, image_format, options)
        try:
            yield _boot(host, prepared, options, options.timeout + LIFETIME + lifetime)
        finally:
            if options.console_log is not None:
                write_text(options.console_log, console.clean(here.read(here.console)))
            if not os.path.exists(here.kept):
                machine.stop(here)


def choose_accel(host: Host, wanted: str) -> str:
    """``kvm`` or ``tcg``, for ``auto``, ``kvm`` or ``tcg``; warns where KVM does not work."""
    if wanted == "tcg":
        return "tcg"
    kvm = accel.probe(host)
    if kvm.works:
        return "kvm"
    if wanted == "kvm":
        raise BadRequestError(
            f"accel: kvm was asked for, but {kvm.reason}", "Repair that, or boot without it by accel: tcg"
        )
    host.warn(f"{kvm.reason}: booting with TCG, which takes one to two minutes; accel: tcg silences this")
    return "tcg"


def _prepare(
    host: Host,
    here: place.Place,
    program: str,
    accelerator: str,
    image: str,
    image_format: str,
    options: BootOptions,
) -> _Prepared:
    chosen = options.firmware
    if chosen == "auto":
        chosen = firmware.choose(firmware.read_head(host, image, image_format, here.directory))
    uefi = firmware.prepare(here.directory) if chosen == "uefi" else None
    qemu_img.create_overlay(host, image, image_format, here.disk, options.disk_size)
    credentials = ssh.Credentials(here.directory)
    key = ssh.make_key(host, credentials.key_file)
    own = {"local-hostname": "goldsmith-boot", "public-keys": [key]}
    asked = {"user_data": options.user_data, "network_config": options.network_config, "meta_data": own}
    # The guest tells what it is waiting for, if it still can, before the time is over.
    limit = int(max(options.timeout - 45, options.timeout * 0.6))
    content = seed.seed_from(asked, f"goldsmith-boot-{secrets.token_hex(4)}")
    seed_iso.write_iso(host, replace(content, vendor_data=guest_report.vendor_data(key, limit)), here.seed)
    return _Prepared(here, image, credentials, accelerator, uefi, program)


def _boot(host: Host, prepared: _Prepared, options: BootOptions, lifetime: float) -> Guest:
    port, watched = _started(host, prepared, options, lifetime)
    if watched.report is None:
        raise _no_report(prepared, options, watched)
    found = evidence.read_report(watched.report)
    problems = judgement.problems(found, options)
    user = found.logins[0] if found.logins and found.sshd and options.ssh else None
    ssh.write_known_hosts(prepared.credentials.known_hosts, port, found.host_keys)
    if user is not None and found.address is not None:
        refusal = ssh.refusal(host, prepared.credentials, port, user, found.machine_id, _SSH_SECONDS)
        if refusal:
            problems.append(
                judgement.Problem(
                    "network",
                    f"sshd runs, and {user} cannot log in: {refusal}",
                    "Look at the firewall and at sshd's configuration in the image, or set ssh: false",
                )
            )
    boot = _result(prepared, found, watched, user)
    if problems:
        raise BootError(
            f"{prepared.image} booted, but {'; '.join(problem.problem for problem in problems)}",
            ". ".join(dict.fromkeys(problem.way_out for problem in problems)),
            stage=problems[0].stage,
            console=watched.console,
            boot=boot,
        )
    return Guest(prepared.place, boot, port, prepared.credentials)


def _started(host: Host, prepared: _Prepared, options: BootOptions, lifetime: float) -> tuple[int, Watched]:
    """Start QEMU and watch it; another port is taken where a free one was not free any more."""
    here = prepared.place
    if options.ssh_port is not None:
        _require_free(options.ssh_port)
    for tried in range(_PORT_TRIES):
        port = options.ssh_port or _free_port()
        guest = qemu.Guest(
            name=f"goldsmith-boot-{os.path.basename(prepared.image)}",
            disk=here.disk,
            seed=here.seed,
            console=here.console,
            report=here.report,
            accel=prepared.accel,
            memory=options.memory,
            cpus=options.cpus,
            ssh_port=port,
            uefi=prepared.uefi,
        )
        began = time.monotonic()
        machine.start(host, here, qemu.command_line(prepared.program, guest), lifetime)
        watched = watch(here, began, options.timeout)
        lost = watched.ended and _PORT_TAKEN in machine.said(here)
        if lost and options.ssh_port is not None:
            raise _taken(options.ssh_port)
        if not lost or tried == _PORT_TRIES - 1:
            break
    return port, watched


def _no_report(prepared: _Prepared, options: BootOptions, watched: Watched) -> BootError | CommandError:
    image = prepared.image
    if watched.stuck is not None:
        over = watched.seconds > options.timeout
        what = f"did not boot within {options.timeout} seconds" if over else "does not boot"
        said = "".join(f"\n{line.rstrip('.')}" for line in watched.stuck.lines)
        return BootError(
            f"{image} {what}: {watched.stuck.reason}",
            (watched.stuck.way_out or _WAYS_OUT[watched.stuck.stage]) + (f". The console said:{said}" if said else ""),
            stage=watched.stuck.stage,
            console=watched.console,
        )
    said = machine.said(prepared.place)
    if not watched.console:
        return CommandError(
            f"QEMU could not start a guest with {image}: {said or 'it printed nothing'}",
            "Where this is about memory give less of it by memory; where it is about KVM set accel: tcg",
        )
    powered_off = machine.powered_off(prepared.place)
    reason = "the guest powered itself off" if powered_off else "QEMU was ended from outside"
    return BootError(
        f"{image} did not come to the end of its boot: {reason}{f' ({said})' if said else ''}",
        _SEE if powered_off else "See who ended it: somebody else, or the kernel, because memory ran out",
        stage=console.hung(watched.console).stage,
        console=watched.console,
    )


def _result(prepared: _Prepared, found: evidence.Evidence, watched: Watched, user: str | None) -> Boot:
    return Boot(
        firmware="bios" if prepared.uefi is None else "uefi",
        accel=prepared.accel,
        seconds=_seconds(found, watched),
        cloud_init=found.cloud_init,
        failed_units=found.failed_units,
        unfinished_jobs=found.unfinished_jobs,
        kernel=found.kernel,
        machine_id=found.machine_id,
        address=found.address,
        ssh_host_keys=found.host_keys,
        user=user,
        disk=found.disk,
    )


def _seconds(found: evidence.Evidence, watched: Watched) -> Seconds:
    """QEMU's start and the kernel's are seen from outside, the rest is systemd's."""
    kernel_at = None if found.uptime is None else max(0.0, watched.seconds - found.uptime)
    firmware_end = watched.firmware_seconds
    if kernel_at is not None and firmware_end is not None:
        firmware_end = min(firmware_end, kernel_at)
    first = found.initrd_at or found.userspace_at
    finished = found.finished_at

    def between(begin: float | None, end: float | None) -> float | None:
        return None if begin is None or end is None else round(end - begin, 3)

    return Seconds(
        firmware=between(0.0, firmware_end),
        loader=between(firmware_end, kernel_at),
        kernel=between(0.0, first),
        initrd=between(found.initrd_at, found.userspace_at),
        userspace=between(found.userspace_at, finished),
        total=None if kernel_at is None or finished is None else round(kernel_at + finished, 3),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((qemu.LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        # As QEMU does: connections that are ending are in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((qemu.LOOPBACK, port))
        except OSError as error:
            raise _taken(port) from error


def _taken(port: int) -> BadRequestError:
    return BadRequestError(
        f"ssh_port {port} cannot be had on {qemu.LOOPBACK}: another program listens there, or it needs root",
        "Choose another port, or leave ssh_port out, and a free one is taken",
    )
