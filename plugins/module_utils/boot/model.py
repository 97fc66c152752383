# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a boot is asked for, and what came of it."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass

from ..common.errors import GoldsmithError

FIRMWARES = ("auto", "bios", "uefi")
STAGES = ("firmware", "boot_loader", "kernel", "initramfs", "systemd", "cloud_init", "network")
"""In the order in which a boot passes them."""


@dataclass(frozen=True)
class BootOptions:
    """How to boot an image, and what to overlook. Sizes are bytes, times seconds."""

    firmware: str = "auto"
    accel: str = "auto"
    memory: int = 1024**3
    cpus: int = 2
    timeout: int = 600
    disk_size: int | None = None
    """Size of the disk that the guest sees; None for the image's own."""
    user_data: t.Any = None
    """A dictionary of cloud-config, or a text; as is network_config."""
    network_config: t.Any = None
    ssh: bool = True
    """Log in where sshd runs."""
    ssh_port: int | None = None
    """On the host's loopback; None for any that is free."""
    allow_failed_units: tuple[str, ...] = ()
    """Patterns of names, as of a shell."""
    allow_ordering_cycles: bool = False
    allow_cloud_init_errors: bool = False
    console_log: str | None = None
    """A file for what the console said, however the boot ended."""

    @property
    def seed(self) -> dict[str, t.Any]:
        """What the user wants in the guest's seed."""
        return {"user_data": self.user_data, "network_config": self.network_config}


@dataclass(frozen=True)
class Seconds:
    """How long each part of the boot took; None for what the guest does not have, or did not end."""

    firmware: float | None
    loader: float | None
    kernel: float | None
    initrd: float | None
    userspace: float | None
    total: float | None


@dataclass(frozen=True)
class CloudInit:
    """How cloud-init ended."""

    status: str
    """As ``cloud-init status`` says it: ``done``, ``error``, ``running``, ``not run``."""
    stage: str | None
    """The stage that it did not leave."""
    datasource: str | None
    errors: tuple[str, ...]
    recoverable_errors: tuple[str, ...]


@dataclass(frozen=True)
class FailedUnit:
    name: str
    line: str
    """The last that it wrote to the journal."""


@dataclass(frozen=True)
class OrderingCycle:
    """Units that each are to start before the other."""

    units: tuple[str, ...]
    skipped: str
    """The one that systemd did not start at this boot; at the next it may be another."""


@dataclass(frozen=True)
class HostKey:
    type: str
    fingerprint: str
    key: str
    """As it stands in ``known_hosts``: type and base64."""


@dataclass(frozen=True)
class Disk:
    """The root file system, in bytes, after cloud-init has grown it."""

    size: int
    free: int


@dataclass(frozen=True)
class Boot:
    """What a boot has shown."""

    firmware: str
    accel: str
    seconds: Seconds
    cloud_init: CloudInit
    failed_units: tuple[FailedUnit, ...]
    ordering_cycles: tuple[OrderingCycle, ...]
    unfinished_jobs: tuple[str, ...]
    """Units that systemd was still starting or stopping when the guest had no more time."""
    kernel: str
    machine_id: str
    address: str | None
    ssh_host_keys: tuple[HostKey, ...]
    user: str | None
    """Who may log in with the key of the run; None where nobody was tried."""
    disk: Disk | None

    def result(self) -> dict[str, t.Any]:
        """As modules return it, ready for JSON."""
        keys = [{"type": key.type, "fingerprint": key.fingerprint} for key in self.ssh_host_keys]
        return {**_as_json(asdict(self)), "ssh_host_keys": keys}


def _as_json(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {name: _as_json(each) for name, each in value.items()}
    return [_as_json(each) for each in value] if isinstance(value, tuple) else value


class BootError(GoldsmithError):
    """An image did not boot, or booted with errors."""

    def __init__(
        self, cause: str, way_out: str, *, stage: str, console: str = "", boot: Boot | None = None, tail: int = 40
    ) -> None:
        super().__init__(
            cause,
            way_out,
            stage=stage,
            console=console.splitlines()[-tail:],
            boot=None if boot is None else boot.result(),
        )
        self.stage = stage
        self.console = console
        self.boot = boot


class BootInterruptedError(BootError):
    """A boot that something on this host ended, which tells nothing of the image."""
