# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be shown of a golden image before it is published: by an audit of its files, and by boots of it."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..audit.model import Allowance
from ..boot.model import FIRMWARES, BootOptions
from ..common.errors import BadRequestError
from ..common.host import Host
from ..common.size import format_size, parse_size
from .audit import ALLOW_SPEC, parse_allow
from .boot_preflight import require_possible
from .image_boot import boot_argument_spec

AUDIT, BOOT = "audit", "boot"
"""The evidence, as the record and the result call it."""


def checks_argument_spec() -> dict[str, t.Any]:
    """The options of ``image_customize`` that are about checks."""
    return {
        "audit": {"type": "bool", "default": True},
        "audit_allow": ALLOW_SPEC,
        "boot_check": {"type": "bool", "default": False},
        "boot_options": {"type": "dict", "options": _boot_options_spec()},
    }


def _boot_options_spec() -> dict[str, t.Any]:
    """Those of ``image_boot`` that make sense for a check, and several firmwares."""
    allowances = ("allow_failed_units", "allow_ordering_cycles", "allow_cloud_init_errors")
    names = ("memory", "cpus", "disk_size", "timeout", "ssh", *allowances)
    firmware = {"type": "list", "elements": "str", "choices": list(FIRMWARES), "default": ["auto"]}
    return {"firmware": firmware, **{name: boot_argument_spec()[name] for name in names}}


@dataclass(frozen=True)
class Checks:
    """The checks that a golden image has to pass."""

    audit: bool
    allow: tuple[Allowance, ...]
    """What the audit may find."""
    boots: tuple[BootOptions, ...]
    """One for each firmware; empty where the image is not booted."""

    def left(self, record: Mapping[str, t.Any]) -> Checks:
        """Those whose evidence the record of a published image does not have."""
        booted = {boot["asked"] for boot in record.get(BOOT) or []}
        boots = tuple(options for options in self.boots if options.firmware not in booted)
        return replace(self, audit=self.audit and not record.get(AUDIT), boots=boots)

    def require_disk_size(self, size: int) -> None:
        """Raise BadRequestError where an image whose disk has ``size`` bytes is to be booted with a smaller one."""
        for options in self.boots:
            if options.disk_size is not None and options.disk_size < size:
                raise BadRequestError(
                    f"boot_options.disk_size is {format_size(options.disk_size)}, less than the image's "
                    f"{format_size(size)}",
                    "Leave boot_options.disk_size out, or choose a larger one: disks are only grown",
                )

    @property
    def evidence(self) -> tuple[str, ...]:
        """What they add to a record."""
        return tuple(name for name, wanted in ((AUDIT, self.audit), (BOOT, self.boots)) if wanted)


def checks_from(params: Mapping[str, t.Any]) -> Checks:
    """The checks of a module's parameters. Raises BadRequestError, also for options of a check that is off."""
    options = params["boot_options"] or _default_boot_options()
    firmwares = options["firmware"]
    if not firmwares:
        raise BadRequestError(
            "boot_options.firmware is empty, so that the image would not be booted",
            "Name auto, bios or uefi, or set boot_check: false",
        )
    if len(set(firmwares)) < len(firmwares):
        raise BadRequestError(f"boot_options.firmware is {', '.join(firmwares)}", "Name each firmware once")
    boots = tuple(_boot(options, firmware, params["accel"]) for firmware in firmwares)
    allow = parse_allow(params["audit_allow"], "audit_allow")
    return Checks(params["audit"], allow, boots if params["boot_check"] else ())


def warn_of_idle_options(host: Host, params: Mapping[str, t.Any]) -> None:
    """Tell of options of a check that is off."""
    # AnsibleModule adds the options that are not in a dictionary.
    without = {"boot_options": _default_boot_options()}
    for check, option in (("audit", "audit_allow"), ("boot_check", "boot_options")):
        if params[option] and params[option] != without.get(option) and not params[check]:
            host.warn(f"{option} does nothing, because {check} is false")


def _default_boot_options() -> dict[str, t.Any]:
    return {name: spec.get("default") for name, spec in _boot_options_spec().items()}


def _boot(options: Mapping[str, t.Any], firmware: str, accel: str) -> BootOptions:
    boot = BootOptions(
        firmware=firmware,
        accel=accel,
        memory=parse_size(options["memory"], "boot_options.memory"),
        cpus=options["cpus"],
        timeout=options["timeout"],
        disk_size=None if not options["disk_size"] else parse_size(options["disk_size"], "boot_options.disk_size"),
        ssh=options["ssh"],
        allow_failed_units=tuple(options["allow_failed_units"]),
        allow_ordering_cycles=options["allow_ordering_cycles"],
        allow_cloud_init_errors=options["allow_cloud_init_errors"],
    )
    require_possible(boot, "boot_options.")
    return boot
