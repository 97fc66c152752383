# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No upgrades that nobody asked for."""

from __future__ import annotations

from ..model import Options, StepKind
from ..operations import Operation, Run, Write

CONFIGURATION = "/etc/apt/apt.conf.d/99-no-unattended-upgrades"
UNITS = "unattended-upgrades.service apt-daily.timer apt-daily-upgrade.timer"

_APT_CONFIGURATION = """\
// This image is rebuilt with updates; it does not upgrade itself.
APT::Periodic::Enable "0";
APT::Periodic::Update-Package-Lists "0";
APT::Periodic::Unattended-Upgrade "0";
"""


def _render(_options: Options) -> tuple[Operation, ...]:
    return (
        Run(f"SYSTEMD_OFFLINE=1 systemctl mask {UNITS}\n"),
        # Files of apt.conf.d are read in their order, and the last one counts.
        Write(_APT_CONFIGURATION, CONFIGURATION),
    )


KIND = StepKind(
    name="disable_unattended_upgrades",
    description="""
        Keep the image from upgrading itself. It has no options: write C({}).

        C(unattended-upgrades.service), C(apt-daily.timer) and C(apt-daily-upgrade.timer) are masked, also where the
        package is installed only later, and apt's periodic jobs are switched off by
        C(/etc/apt/apt.conf.d/99-no-unattended-upgrades).

        These jobs race with cloud-init and with configuration management for dpkg's lock at first boot. Rebuild the
        image regularly instead, with C(packages: {upgrade: dist}).
    """,
    options={},
    example="""\
- disable_unattended_upgrades: {}
""",
    render=_render,
)
