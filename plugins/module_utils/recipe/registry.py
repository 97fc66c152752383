# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of steps that there are, by name. A further one is a file in ``steps`` and its line here."""

from __future__ import annotations

from .model import StepKind
from .steps import (
    cloud_config,
    disable_unattended_upgrades,
    firstboot,
    firstboot_command,
    firstboot_install,
    group,
    hostname,
    kernel_modules,
    locale,
    netplan,
    ntp,
    packages,
    run_command,
    ssh_inject,
    sysctl,
    systemd_unit,
    timezone,
    upload,
    user,
    write,
)

GROUPS: dict[str, tuple[StepKind, ...]] = {
    "Files": (upload.KIND, write.KIND),
    "Packages": (packages.KIND, disable_unattended_upgrades.KIND),
    "Users and access": (group.KIND, user.KIND, ssh_inject.KIND),
    "System": (
        hostname.KIND,
        locale.KIND,
        timezone.KIND,
        ntp.KIND,
        systemd_unit.KIND,
        sysctl.KIND,
        kernel_modules.KIND,
        cloud_config.KIND,
        netplan.KIND,
    ),
    "First boot": (firstboot.KIND, firstboot_command.KIND, firstboot_install.KIND),
    "Commands": (run_command.KIND,),
}
"""The kinds as the documentation groups them."""

KINDS: dict[str, StepKind] = {kind.name: kind for kinds in GROUPS.values() for kind in kinds}
