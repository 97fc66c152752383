# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a boot has shown is good enough. Pure."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .evidence import Evidence
from .model import BootOptions, FailedUnit

_SEED = re.compile(
    r"Failed loading yaml blob|Failed at merging in cloud config part|Unhandled (?:non-multipart|unknown content-type)"
    r"|Invalid cloud-config provided|Failed to parse|failed to render.*network|Invalid network.?config",
    re.IGNORECASE,
)
"""What cloud-init only warns of, and then goes on without: what it was to do was not done."""
_USERS = re.compile(r"^[\"']?users[\"']?\s*:", re.MULTILINE)


@dataclass(frozen=True)
class Problem:
    """What is wrong, at which stage, and what to do about it."""

    stage: str
    problem: str
    way_out: str


def problems(found: Evidence, options: BootOptions) -> list[Problem]:
    """Everything that makes a boot a failure, the first cause first."""
    return [
        *_cloud_init(found, options),
        *_systemd(found, options),
        *_network(found),
        *_login(found, options),
        *_disk(found),
    ]


def _cloud_init(found: Evidence, options: BootOptions) -> list[Problem]:
    cloud_init = found.cloud_init
    listed = []
    if cloud_init.datasource in (None, "None") and cloud_init.status != "running":
        listed.append(
            Problem(
                "cloud_init",
                "cloud-init found no datasource",
                "Let the image's datasource_list have NoCloud, or leave it out",
            )
        )
    if cloud_init.status == "running":
        where = f"its stage {cloud_init.stage}" if cloud_init.stage else "its last stage"
        listed.append(
            Problem(
                "cloud_init",
                f"cloud-init did not come further than {where}",
                "See in the console's lines what it waits for, or raise timeout",
            )
        )
    if options.allow_cloud_init_errors:
        return listed
    if cloud_init.errors:
        listed.append(
            Problem(
                "cloud_init",
                f"cloud-init ended with errors: {_some(cloud_init.errors)}",
                "Correct what they name in the image or in user_data, or set allow_cloud_init_errors: true",
            )
        )
    seed = [line for line in cloud_init.recoverable_errors if _SEED.search(line)]
    if seed:
        listed.append(
            Problem(
                "cloud_init",
                f"cloud-init did not understand its configuration and went on without it: {_some(seed)}",
                "Correct user_data, network_config or the image's own cloud-config, or set "
                "allow_cloud_init_errors: true",
            )
        )
    return listed


def _systemd(found: Evidence, options: BootOptions) -> list[Problem]:
    listed = []
    failed = [unit for unit in found.failed_units if not _allowed(unit, options)]
    if failed:
        named = "; ".join(f"{unit.name} ({unit.line})" if unit.line else unit.name for unit in failed)
        listed.append(
            Problem(
                "systemd",
                f"units failed: {named}",
                "Repair them in the image, or name those that may fail in allow_failed_units",
            )
        )
    if not options.allow_ordering_cycles:
        listed += [
            Problem(
                "systemd",
                f"systemd did not start {cycle.skipped}, to break an ordering cycle of {', '.join(cycle.units)}; at "
                "another boot it may leave out another of them",
                "Take an After= or Before= out of the units that the image was given, or set DefaultDependencies=no "
                "where one belongs before sysinit.target. Or set allow_ordering_cycles: true",
            )
            for cycle in found.ordering_cycles
        ]
    if not found.ended:
        waits = ", ".join(found.unfinished_jobs) or "units that it does not name"
        listed.append(
            Problem("systemd", f"systemd did not end the boot: it waits for {waits}", "Repair them, or raise timeout")
        )
    return listed


def _network(found: Evidence) -> list[Problem]:
    if found.address is not None:
        return []
    return [
        Problem(
            "network",
            "no network interface got an address",
            "Look at the image's network configuration and at network_config; QEMU has one virtio interface, with DHCP",
        )
    ]


def _login(found: Evidence, options: BootOptions) -> list[Problem]:
    if not options.ssh or not found.sshd or found.logins or _has_users_of_its_own(options.user_data):
        return []
    return [
        Problem(
            "network",
            "sshd runs, and no user takes the key that cloud-init was to give to the default user",
            "Let the image's cloud.cfg have the user default, and sshd read the file that cloud-init writes, or set "
            "ssh: false",
        )
    ]


def _has_users_of_its_own(user_data: t.Any) -> bool:
    """Whether the user data keeps cloud-init from making the default user, which gets the key."""
    if isinstance(user_data, Mapping):
        return "users" in user_data and "default" not in json.dumps(user_data["users"], default=str)
    return isinstance(user_data, str) and bool(_USERS.search(user_data)) and "default" not in user_data


def _disk(found: Evidence) -> list[Problem]:
    if found.disk is None or found.disk.free > 0:
        return []
    return [Problem("systemd", "the root file system is full", "Build the image larger, or boot it with disk_size")]


def _allowed(unit: FailedUnit, options: BootOptions) -> bool:
    return any(fnmatchcase(unit.name, pattern) for pattern in options.allow_failed_units)


def _some(errors: tuple[str, ...] | list[str]) -> str:
    more = f" (and {len(errors) - 3} more)" if len(errors) > 3 else ""
    return "; ".join(error.strip() for error in errors[:3]) + more
