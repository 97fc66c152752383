# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Booting a throwaway overlay of an image, and what that proves."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..boot import (
    console,
    evidence,
    firmware,
    guest_report,
    judgement,
    machine,
    place,
    ports,
    qemu,
    seed,
    seed_iso,
    ssh,
)
from ..boot.model import Boot, BootError, BootOptions
from ..boot.watch import Watched, watch
from ..common.age import now
from ..common.errors import GoldsmithError
from ..common.host import Host
from ..common.space import require_free_space
from ..disk import qemu_img
from ..store.files import write_text
from .boot_outcome import masked, no_report, outcome
from .boot_preflight import LEAST_SPACE, choose_accel, require_log

_PORT_TAKEN = "Could not set up host forwarding rule"
_PORT_TRIES = 5
_SSH_SECONDS = 120
LIFETIME = 180
"""Seconds that QEMU may outlive the time-out: to log in, and to be ended."""


@dataclass(frozen=True)
class Guest:
    """A guest that booted well, and runs."""

    place: place.Place
    boot: Boot
    port: int
    credentials: ssh.Credentials
    expires: datetime
    """When QEMU is ended at the latest."""


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
        require_free_space(here.directory, LEAST_SPACE, f"a boot of {image}")
        prepared = _prepare(host, here, program, accelerator, image, image_format, options)
        try:
            yield _boot(host, prepared, options, options.timeout + LIFETIME + lifetime)
        finally:
            try:
                if not os.path.exists(here.kept):
                    machine.stop(here)
            finally:
                _write_log(host, here, options.console_log, image)


def _write_log(host: Host, here: place.Place, path: str | None, image: str) -> None:
    """What came of the boot counts for more than this."""
    if path is None or not os.path.exists(here.console):
        return
    try:
        # Something else may have come there meanwhile.
        require_log(path, image)
        write_text(path, console.clean(here.read(here.console)))
    except GoldsmithError as error:
        host.warn(f"console_log was not written: {error}")


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
    # The guest tells what it is waiting for, if it still can, before the time is over.
    limit = int(max(options.timeout - 45, options.timeout * 0.6))
    content = seed.seed_from({**options.seed, "meta_data": own}, f"goldsmith-boot-{secrets.token_hex(4)}")
    seed_iso.write_iso(host, replace(content, vendor_data=guest_report.vendor_data(key, limit)), here.seed)
    return _Prepared(here, image, credentials, accelerator, uefi, program)


def _boot(host: Host, prepared: _Prepared, options: BootOptions, lifetime: float) -> Guest:
    port, expires, watched = _started(host, prepared, options, lifetime)
    watched = masked(watched, options)
    if watched.report is None:
        raise no_report(prepared.image, prepared.place, watched, options.timeout)
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
    boot = outcome(
        found,
        watched,
        firmware="bios" if prepared.uefi is None else "uefi",
        accel=prepared.accel,
        user=user,
    )
    if problems:
        raise BootError(
            f"{prepared.image} booted, but {'; '.join(problem.problem for problem in problems)}",
            ". ".join(dict.fromkeys(problem.way_out for problem in problems)),
            stage=problems[0].stage,
            console=watched.console,
            boot=boot,
        )
    return Guest(prepared.place, boot, port, prepared.credentials, expires)


def _started(host: Host, prepared: _Prepared, options: BootOptions, lifetime: float) -> tuple[int, datetime, Watched]:
    """Start QEMU and watch it; another port is taken where a free one was not free any more."""
    here = prepared.place
    if options.ssh_port is not None:
        ports.require_free(options.ssh_port)
    for tried in range(_PORT_TRIES):
        port = options.ssh_port or ports.free()
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
        began, expires = time.monotonic(), now() + timedelta(seconds=lifetime)
        machine.start(host, here, qemu.command_line(prepared.program, guest), lifetime)
        watched = watch(here, began, options.timeout)
        lost = watched.ended and _PORT_TAKEN in machine.said(here)
        if lost and options.ssh_port is not None:
            raise ports.taken(options.ssh_port)
        if not lost or tried == _PORT_TRIES - 1:
            break
    return port, expires, watched
