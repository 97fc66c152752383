# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that machines do by themselves, within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run, Write
from ..shell import fail
from .disable_unattended_upgrades import CONFIGURATION as DISABLED
from .disable_unattended_upgrades import UNITS

_CONFIGURATION = "/etc/apt/apt.conf.d/95goldsmith-unattended-upgrades"
# Those of the other distribution match nothing.
_ORIGINS = {
    "security": (
        # As in Ubuntu's own list: a security update may need a new package of the release, which never changes.
        "origin=Ubuntu,archive=${distro_codename}",
        "origin=Ubuntu,archive=${distro_codename}-security",
        "origin=UbuntuESMApps,archive=${distro_codename}-apps-security",
        "origin=UbuntuESM,archive=${distro_codename}-infra-security",
        "origin=Debian,codename=${distro_codename}-security,label=Debian-Security",
        "origin=Debian,codename=${distro_codename},label=Debian-Security",
    ),
    "updates": (
        "origin=Ubuntu,archive=${distro_codename}-updates",
        "origin=Debian,codename=${distro_codename}-updates",
    ),
    "release": (
        "origin=Ubuntu,archive=${distro_codename}",
        "origin=Debian,codename=${distro_codename},label=Debian",
    ),
}
_PATTERN = re.compile(r"[a-z]+=[ !#-\[\]-~]+")
_TIME = re.compile(r"now|(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_MAIL = re.compile(r"[A-Za-z0-9._%+@-]+")
# A regular expression of Python that package names begin with.
_BLACKLISTED = re.compile(r"[A-Za-z0-9^][A-Za-z0-9+.*?^$()|\[\]-]*")


def _check(options: Options) -> Options:
    if not options["origins"]:
        raise BadRequestError(
            "origins is empty, so that nothing would be upgraded",
            "Name some, or use the step disable_unattended_upgrades",
        )
    for origin in options["origins"]:
        if origin not in _ORIGINS and not _PATTERN.fullmatch(origin):
            raise BadRequestError(
                f"origins has {origin!r}",
                f"There are {', '.join(_ORIGINS)}, and patterns such as origin=Docker,label=Docker CE",
            )
    for pattern in options["blacklist"]:
        if not _BLACKLISTED.fullmatch(pattern):
            raise BadRequestError(f"blacklist has {pattern!r}, which no name of a package can match")
    if not _TIME.fullmatch(options["automatic_reboot_time"]):
        raise BadRequestError(
            f"automatic_reboot_time is not a time: {options['automatic_reboot_time']!r}",
            "Write it as '02:00', in quotes, because YAML reads 02:00 without them as a number; or as now",
        )
    if "mail" in options and not _MAIL.fullmatch(options["mail"]):
        raise BadRequestError(f"mail is not the address of a recipient: {options['mail']!r}")
    for option in ("update_days", "upgrade_days", "autoclean_days"):
        if options[option] < 0:
            raise BadRequestError(f"{option} has to be at least 0 and is {options[option]}")
    return options


def _render(options: Options) -> tuple[Operation, ...]:
    patterns = dict.fromkeys(pattern for origin in options["origins"] for pattern in _ORIGINS.get(origin, (origin,)))
    values = {
        "APT::Periodic::Enable": "1",
        "APT::Periodic::Update-Package-Lists": str(options["update_days"]),
        "APT::Periodic::Unattended-Upgrade": str(options["upgrade_days"]),
        "APT::Periodic::AutocleanInterval": str(options["autoclean_days"]),
        "Unattended-Upgrade::Automatic-Reboot": _truth(options["automatic_reboot"]),
        "Unattended-Upgrade::Automatic-Reboot-Time": options["automatic_reboot_time"],
        "Unattended-Upgrade::Remove-Unused-Kernel-Packages": _truth(options["remove_unused_kernels"]),
        "Unattended-Upgrade::Remove-Unused-Dependencies": _truth(options["remove_unused_dependencies"]),
        "Unattended-Upgrade::Mail": options.get("mail", ""),
        "Unattended-Upgrade::MailReport": options["mail_report"],
    }
    # apt adds the elements of a list to those of files before; only these are to count.
    text = "// Written when this image was built.\n"
    text += "#clear Unattended-Upgrade::Allowed-Origins;\n"
    text += _list("Unattended-Upgrade::Origins-Pattern", patterns)
    text += _list("Unattended-Upgrade::Package-Blacklist", options["blacklist"])
    text += "".join(f'{name} "{value}";\n' for name, value in values.items())
    missing = fail("unattended-upgrades is not installed in the image", "install it by a step packages before this one")
    enable = f"""\
command -v unattended-upgrade >/dev/null || {missing}
rm -f {DISABLED}
SYSTEMD_OFFLINE=1 systemctl unmask {UNITS}
SYSTEMD_OFFLINE=1 systemctl enable {UNITS}
"""
    return (Run(enable), Write(text, _CONFIGURATION))


def _list(name: str, elements: Iterable[str]) -> str:
    lines = "".join(f'    "{element}";\n' for element in elements)
    return f"#clear {name};\n{name} {{\n{lines}}};\n"


def _truth(value: bool) -> str:
    return "true" if value else "false"


KIND = StepKind(
    name="unattended_upgrades",
    description="""
        Have machines upgrade themselves within bounds, by C(unattended-upgrades), which has to be installed: security
        updates only and without a reboot, unless it is said otherwise.

        C(/etc/apt/apt.conf.d/95goldsmith-unattended-upgrades) takes the place of what the base has said, and the
        service and apt's timers are enabled, also where C(disable_unattended_upgrades) had switched them off.
    """,
    options={
        "origins": {
            "type": "list",
            "elements": "str",
            "default": ["security"],
            "description": """
                What may be upgraded: V(security), V(updates), V(release), or patterns of unattended-upgrades for
                further repositories, such as V(origin=Docker,label=Docker CE). On Ubuntu V(security) takes in what
                V(release) names, because a security update may need a new package from there.
            """,
        },
        "blacklist": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Packages that stay as they are: regular expressions that their names begin with.",
        },
        "automatic_reboot": {
            "type": "bool",
            "default": False,
            "description": "Whether the machine boots by itself when an upgrade needs that.",
        },
        "automatic_reboot_time": {
            "type": "str",
            "default": "now",
            "description": "When it does, such as V('02:00'), quoted.",
        },
        "remove_unused_kernels": {
            "type": "bool",
            "default": True,
            "description": "Whether kernels that are needed no more are removed.",
        },
        "remove_unused_dependencies": {
            "type": "bool",
            "default": False,
            "description": "Whether other packages that are needed no more are removed.",
        },
        "mail": {"type": "str", "description": "Who gets reports. The machine has to be able to send them."},
        "mail_report": {
            "type": "str",
            "choices": ["always", "only-on-error", "on-change"],
            "default": "on-change",
            "description": "When reports are sent.",
        },
        "update_days": {
            "type": "int",
            "default": 1,
            "description": "Days between refreshes of the package lists; 0 for none.",
        },
        "upgrade_days": {"type": "int", "default": 1, "description": "Days between upgrades; 0 for none."},
        "autoclean_days": {
            "type": "int",
            "default": 7,
            "description": "Days after which packages that were fetched are deleted; 0 for never.",
        },
    },
    example="""\
- unattended_upgrades:
    origins: [security, "origin=Docker,label=Docker CE"]
    blacklist: ["linux-", "docker-ce$"]
    automatic_reboot: true
    automatic_reboot_time: "03:30"
""",
    check=_check,
    render=_render,
)
