# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of steps that there are, by name. A further one is a file in ``steps`` and its line here."""

from __future__ import annotations

from .model import StepKind
from .steps import (
    disable_unattended_upgrades,
    hostname,
    packages,
    run_command,
    ssh_inject,
    systemd_unit,
    timezone,
    upload,
    user,
    write,
)

KINDS: dict[str, StepKind] = {
    module.KIND.name: module.KIND
    for module in (
        packages,
        upload,
        write,
        run_command,
        ssh_inject,
        user,
        hostname,
        timezone,
        systemd_unit,
        disable_unattended_upgrades,
    )
}
